"""A flag with listed values, and others that are accepted without being listed."""

from collections.abc import Sequence

from absl import flags


class EnumWithHidden(flags.EnumParser):
    """Accepts hidden values too: neither --help nor the message about a wrong value lists them, as they are for tests."""

    def __init__(self, shown: Sequence[str], hidden: Sequence[str]):
        super().__init__(shown)
        self.hidden = hidden

    def parse(self, argument: str) -> str:
        return argument if argument in self.hidden else super().parse(argument)
