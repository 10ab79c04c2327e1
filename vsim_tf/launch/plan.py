"""The stages of run.sh, read from the command line that it makes of its options."""

import contextlib
import dataclasses
import importlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from vsim_tf.cli import app, flags
from vsim_tf.errors import UserError
from vsim_tf.presets import registry

STAGE, MORE_FLAGS, EACH_MODEL, BEFORE_CHECKS = "--stage=", "--more_flags=", "--each_model", "--before_checks"


@dataclasses.dataclass(frozen=True)
class Task:
    """One script with its flags; `model` is empty for a stage that is run once.

    The script is a module with `define_flags`, `check_flags`, `check_inputs`, `finished` and `main`; one that trains also has
    `steps_of_runs`.
    """

    model: str
    command: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """Name of the script, and its flags."""
        return self.command[1:] if self.command[0] == "-m" else self.command

    def script(self) -> ModuleType:
        name = self.arguments[0]
        return importlib.import_module(f"{name}.__main__" if self.command[0] == "-m" else name.removesuffix(".py"))

    def check_flags(self, devices: int) -> None:
        """`UserError` for flags that are illegal or contradict each other, or a batch too small for the devices."""
        script = self.script()
        with flags_of(script.define_flags, self.arguments):
            script.check_flags(devices)

    def check_inputs(self) -> None:
        """`UserError` for inputs that are missing and that no stage before makes."""
        script = self.script()
        with flags_of(script.define_flags, self.arguments):
            script.check_inputs()

    def finished(self) -> bool:
        """Whether there is nothing to do, after saying so; `UserError` for results of other settings."""
        script = self.script()
        with flags_of(script.define_flags, self.arguments):
            done: bool = script.finished()
            return done

    def steps_of_runs(self) -> dict[Path, int]:
        """Folders of its training runs, and how many steps each has; none for a script that does not train."""
        script = self.script()
        if not hasattr(script, "steps_of_runs"):
            return {}
        with flags_of(script.define_flags, self.arguments):
            steps: dict[Path, int] = script.steps_of_runs()
            return steps


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage: one task, or one for each model.

    Attributes:
        makes_inputs: makes what the stages after it read, so that it comes before their inputs are checked.
    """

    name: str
    tasks: tuple[Task, ...]
    makes_inputs: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """All stages, and how they are run: how many models at a time, and how many of them on one GPU."""

    output_dir: Path
    jobs: int
    jobs_per_gpu: int
    stages: tuple[Stage, ...]

    def tasks(self) -> Iterator[Task]:
        for stage in self.stages:
            yield from stage.tasks


@contextlib.contextmanager
def flags_of(define: Callable[[], None], arguments: Sequence[str]) -> Iterator[None]:
    """The flags of a script inside a block, as its command line gives them; `UserError` for illegal ones."""
    before = set(flags.FLAGS)
    define()
    try:
        app.parse(arguments)
        yield
    finally:
        flags.FLAGS.remove_flag_values(set(flags.FLAGS) - before)


def read_plan(words: Sequence[str]) -> Plan:
    """The plan of a command line: options, then for each stage `--stage=NAME` and its command.

    A command may begin with `--each_model` (it is run once for each) and `--before_checks` (it makes inputs of the others); each
    `--more_flags=TEXT` in it stands for the flags in the text, which is split as a shell would.

    Raises:
        UserError: an option that is unknown or illegal.
    """
    starts = [position for position, word in enumerate(words) if word.startswith(STAGE)]
    options = dict(word.removeprefix("--").split("=", 1) for word in words[: starts[0]])
    models = _models(options["models"])
    ends = [*starts[1:], len(words)]
    stages = [_stage(words[start:end], models) for start, end in zip(starts, ends, strict=True)]
    jobs, jobs_per_gpu = (_count(name, options[name]) for name in ("jobs", "jobs_per_gpu"))
    return Plan(Path(options["output_dir"]), jobs, jobs_per_gpu, tuple(stages))


def _models(text: str) -> list[str]:
    models = text.replace(",", " ").split()
    for model in models:
        registry.ensemble_weight(model)  # which refuses a name that is not registered
    if not models or len(set(models)) < len(models):
        raise UserError(f"--models={text}: {'a model is named twice' if models else 'names of models are needed'}")
    return models


def _count(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1000):
        raise UserError(f"--{name}={text}: an integer from 1 is needed")
    return int(text)


def _stage(words: Sequence[str], models: Sequence[str]) -> Stage:
    name, command = words[0].removeprefix(STAGE), list(words[1:])
    markers = set()
    while command[0] in (EACH_MODEL, BEFORE_CHECKS):
        markers.add(command.pop(0))
    command = [flag for word in command for flag in _flags(word)]
    if EACH_MODEL in markers:
        tasks = [Task(model, (*command, f"--model={model}")) for model in models]
    else:
        tasks = [Task("", tuple(command))]
    return Stage(name, tuple(tasks), BEFORE_CHECKS in markers)


def _flags(word: str) -> list[str]:
    if not word.startswith(MORE_FLAGS):
        return [word]
    text = word.removeprefix(MORE_FLAGS)
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"flags for a stage: {text}: {str(error).lower()}; quote as for a shell") from None
