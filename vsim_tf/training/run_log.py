"""The log of a run: metrics.jsonl and TensorBoard events."""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from vsim_tf.distributed.cluster import is_chief
from vsim_tf.errors import UserError, system_reason
from vsim_tf.io.files import output_file, read_json_lines, without_nan
from vsim_tf.io.paths import EVENTS, METRICS_FILE
from vsim_tf.runs.checkpoint_files import resuming_state

VALIDATION = "validation/"


def _is_validation(values: dict[str, float]) -> bool:
    return any(name.startswith(VALIDATION) for name in values)


def _line(values: dict[str, float | None]) -> str:
    return json.dumps(without_nan(values), allow_nan=False) + "\n"


def _step(line: dict[str, float | None], path: Path) -> int:
    if type(line.get("step")) is not int:
        raise UserError(f"{path}: the line {line} has no step; give overwrite=True to retrain", ["overwrite"])
    return line["step"]


class RunLog:
    """`metrics.jsonl` (one JSON object a line: step and values, null for NaN, no times) and TensorBoard events of one run.

    Lines after `step`, and evaluations after `evaluated`, are left-overs of a run that was killed and are dropped; -1 drops all.
    """

    def __init__(self, folder: Path, step: int, evaluated: int):
        self.path = folder / METRICS_FILE
        lines = read_json_lines(self.path) if self.path.exists() else []
        self.kept = [line for line in lines if _step(line, self.path) <= (evaluated if _is_validation(line) else step)]
        self.started, self.first_step = time.perf_counter(), step
        if is_chief():
            with output_file(self.path) as file:
                file.write("".join(map(_line, self.kept)).encode())
            with _writing(folder / EVENTS):
                self.events = tf.summary.create_file_writer(str(folder / EVENTS))

    def validation(self, step: int) -> dict[str, float]:
        """Metrics of the evaluation at a step before this process; none where there was none."""
        values = {name: value for line in self.kept if line["step"] == step for name, value in line.items()}
        values = {name: math.nan if value is None else value for name, value in values.items()}
        return {name.removeprefix(VALIDATION): value for name, value in values.items() if name.startswith(VALIDATION)}

    def write(self, step: int, values: dict[str, float]) -> None:
        """Appends one line and one point of every curve; `UserError` when that fails."""
        if not is_chief():
            return
        with _writing(self.path), open(self.path, "a", encoding="utf-8") as file:
            line: dict[str, float | None] = {"step": step, **values}
            file.write(_line(line))
        with _writing(self.path.with_name(EVENTS)):
            with self.events.as_default(step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)
                speed = (step - self.first_step) / (time.perf_counter() - self.started)
                tf.summary.scalar("steps_per_second", speed)
            self.events.flush()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise UserError(
            f"{path}: cannot be written: {system_reason(error)}. Make room and run the same command again:"
            f" {resuming_state(path.parent)}"
        ) from error
