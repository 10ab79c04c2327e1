"""Ctrl-C while a script is not training."""

from types import FrameType


class Interrupts:
    """The handler of SIGINT: raises `KeyboardInterrupt` like Python's own, and remembers it.

    C code that calls Python may swallow what is raised there; a run that is about to begin can still see that it should
    not (`received_before`).
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.received = True
        raise KeyboardInterrupt


def received_before(handler: object) -> bool:
    """Whether what handled SIGINT until now has been called."""
    return isinstance(handler, Interrupts) and handler.received
