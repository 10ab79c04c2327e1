"""How far a plan is, and how long the rest of it takes."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vsim_tf.launch.plan import Stage
from vsim_tf.runs.logged_step import made_steps, total_steps

Clock = Callable[[], float]


@dataclasses.dataclass(eq=False)
class Work:
    """What a task has done.

    Attributes:
        model: empty for a stage that is run once.
        asked: steps of its training runs, by their folders; 0 where they follow from the data, so that the run itself knows them.
            A task without runs counts as one of one step.
        began, ended: seconds of the clock, None before them.
        found: steps that were made before it began.
    """

    model: str
    asked: dict[Path, int]
    began: float | None = None
    ended: float | None = None
    found: int = 0

    @property
    def running(self) -> bool:
        return self.began is not None and self.ended is None

    @property
    def steps(self) -> dict[Path, int]:
        """Steps of its runs, by their folders; a run that has not begun has as many as the others of its model, 0 if none has."""
        known = {folder: steps or total_steps(folder) for folder, steps in self.asked.items()}
        usual = max(known.values(), default=0)
        return {folder: steps or usual for folder, steps in known.items()}

    @property
    def size(self) -> int | None:
        """Steps of all its runs, None as long as they are unknown."""
        return sum(self.steps.values()) or (None if self.asked else 1)

    def made(self) -> list[int]:
        """Steps that each of its runs has made."""
        if self.ended is not None:
            return list(self.steps.values()) or [1]
        return [made_steps(folder, steps) for folder, steps in self.steps.items()] or [0]

    def shares(self) -> list[float]:
        """How much of each of its runs is done, from 0 to 1."""
        return [made / steps if steps else 0.0 for made, steps in zip(self.made(), list(self.steps.values()) or [1], strict=True)]

    def title(self) -> str:
        """The model, and which of its runs is running, e.g. `uniter_asl 4/11`."""
        if len(self.asked) < 2:
            return self.model
        complete = sum(share == 1 for share in self.shares())
        return f"{self.model} {min(complete + 1, len(self.asked))}/{len(self.asked)}".strip()


class Progress:
    """Finished runs of all stages, counted in their folders, and an estimate of the time for the rest.

    Args:
        stages: in their order.
        jobs: how many tasks of a stage run at a time.
        clock: seconds.
    """

    def __init__(self, stages: Sequence[Stage], jobs: int = 1, clock: Clock = time.monotonic):
        self.stages, self.names = stages, [stage.name for stage in stages]
        self.works = [[Work(task.model, task.steps_of_runs()) for task in stage.tasks] for stage in stages]
        self.jobs, self.clock, self.at = jobs, clock, -1

    def next_stage(self) -> str:
        """Enters the next stage; returns its header, e.g. `[3/6] fine-tuning`.

        Stages before it may have written what says how many runs the others have, such as folds.
        """
        self.at += 1
        for stage, works in zip(self.stages[self.at :], self.works[self.at :], strict=True):
            for task, work in zip(stage.tasks, works, strict=True):
                work.asked = task.steps_of_runs()
        return self._header()

    def skip(self, models: Iterable[str]) -> None:
        """The tasks of these models in this stage were finished before."""
        for model in models:
            self.note(model, running=False)

    def note(self, model: str, running: bool) -> None:
        """The task of a model in this stage has begun, or has ended well."""
        (work,) = (work for work in self.works[self.at] if work.model == model)
        if running:
            work.found, work.began = sum(work.made()), self.clock()
        else:
            work.ended = self.clock()

    def title(self) -> str:
        """The header of the stage with the runs of this moment, e.g. `[3/6] fine-tuning uniter_asl 4/11`."""
        if self.at < 0:
            return ""
        running = [work for work in self.works[self.at] if work.running]
        if len(running) > 2:
            return f"{self._header()} {len(running)} models"
        return f"{self._header()} {', '.join(work.title() for work in running)}".strip()

    def _header(self) -> str:
        return f"[{self.at + 1}/{len(self.names)}] {self.names[self.at]}"

    def runs(self) -> tuple[float, int]:
        """Complete runs, with the shares of those that are not complete, and all runs."""
        shares = [share for works in self.works for work in works for share in work.shares()]
        return sum(shares), len(shares)

    def seconds_left(self) -> float | None:
        """For the rest of the plan; None as long as nothing is known about what trains, or about anything.

        A step takes as long as steps of the same task do, else of the same stage, else of all training. Tasks that do not train
        count when one of their stage has ended.
        """
        of_stages = [[(work, self._left(work, works)) for work in works if work.ended is None] for works in self.works]
        left = [each for of_stage in of_stages for each in of_stage]
        known = [[seconds for _, seconds in of_stage if seconds is not None] for of_stage in of_stages]
        if any(seconds is None and work.asked for work, seconds in left) or (left and not any(known)):
            return None
        return sum(max(sum(seconds) / self.jobs, max(seconds, default=0.0)) for seconds in known)

    def _left(self, work: Work, of_stage: Sequence[Work]) -> float | None:
        training = [each for works in self.works for each in works if each.asked]
        for alike in ([work], of_stage, training if work.asked else []):
            if work.size is not None and (pace := self._seconds_per_step(alike)) is not None:
                return pace * (work.size - sum(work.made()))
        return None

    def _seconds_per_step(self, works: Iterable[Work]) -> float | None:
        steps, seconds = 0, 0.0
        for work in works:
            if work.began is not None and (made := sum(work.made()) - work.found) > 0:
                steps += made
                seconds += (self.clock() if work.ended is None else work.ended) - work.began
        return seconds / steps if steps else None


def about(seconds: float | None) -> str:
    """A duration in words, rounded, e.g. `about 3 min left`; empty for an unknown one."""
    if seconds is None:
        return ""
    for size, unit, smaller, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= size:
            whole, rest = divmod(round(seconds / smaller), size // smaller)
            return f"about {whole} {unit} {rest} {part} left"
    return f"about {round(seconds / 60)} min left" if seconds >= 90 else f"about {round(seconds)} s left"
