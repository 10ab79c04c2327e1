"""How a model is trained in one stage."""

import dataclasses
import math
from collections.abc import Mapping

from vsim_tf.components import LARGEST, Component, require
from vsim_tf.io.paths import BEST, LAST
from vsim_tf.models.architectures import Model
from vsim_tf.optim.averaging import ExponentialAverage, WeightAverage
from vsim_tf.optim.gradients import GradientMethod
from vsim_tf.optim.groups import Group
from vsim_tf.optim.schedules import Schedule, WarmUpSchedule
from vsim_tf.optim.settings import Adam
from vsim_tf.runs.phase import Phase, PhasedSchedule, phased
from vsim_tf.tasks.task import Task

PRECISIONS = ("auto", "float32", "mixed_bfloat16")
LABELS = ("scores", "rank")
DIRECTIONS = {"max": 1.0, "min": -1.0}
REDUCTIONS = ("sum", "mean")
EVALUATIONS, LOG_LINES = 5, 20
"""Of a run whose length is given in epochs, at least: the intervals of the published runs may be longer than it is."""


class Selection(Component):
    """Which evaluation is the best.

    Attributes:
        metric: name of the metric.
        direction: "max" or "min".
        kept: the checkpoint that later stages take, "last" or "best".
    """

    metric: str = "spearman"
    direction: str = "max"
    kept: str = LAST

    def __post_init__(self) -> None:
        require(self.direction in DIRECTIONS, f"direction={self.direction!r}: 'max' or 'min' is accepted", "direction")
        require(self.kept in (LAST, BEST), f"kept={self.kept!r}: '{LAST}' or '{BEST}' is accepted", "kept")

    def has_diverged(self, value: float, best: float) -> bool:
        """Whether a metric that falls is more than twice its best, as after steps that were too long."""
        return self.direction == "min" and value > 2 * best

    def is_better(self, value: float, best: float) -> bool:
        """Whether a value is better than the best so far; NaN never is."""
        return DIRECTIONS[self.direction] * value > DIRECTIONS[self.direction] * best

    @property
    def worst(self) -> float:
        """What every number is better than."""
        return -DIRECTIONS[self.direction] * float("inf")


class Stage(Component):
    """How a model is trained in one stage.

    Attributes:
        batch_size: global batch, in videos (pre-training) or pairs (fine-tuning).
        total_steps: number of updates.
        tasks: what is minimised, by the names under which terms are logged.
        groups: learning rates, by name, in the order of their updates.
        selection: which evaluation's weights are kept as the best.
        precision: "float32", "mixed_bfloat16", or "auto" for what suits the device (`vsim_tf.distributed.device`).
        clip_norm: largest global norm of the gradient of the mean loss, longer ones are scaled down to it; 0 for any (2021).
        labels: what the similarities of training pairs become, "scores" (as they are) or "rank" (`vsim_tf.records.rank_labels`).
        bucket_by_length: where batches are trimmed, videos of similar length share one.
        jit_compile: forward and backward pass are compiled by XLA, again for every length of a batch.
        length_multiple: lengths of trimmed training batches are rounded up to a multiple of it, so that few are compiled; 0: not.
        accumulate: micro-batches into which each replica's batch is cut, whose gradients are summed; 1: it is one.
        remat: each block of the encoder is computed again in the backward pass, so that fewer activations are kept.
        eval_every, log_every: steps between evaluations (with a checkpoint) and between log lines.
        optimizer: settings of Adam.
        reduction: what is differentiated, the "sum" of the loss over videos, or its "mean"; epsilon and decay tell them apart.
        phases: of pre-training, by name, in their order: which data sets are read; none: the tagged videos.
        reload_best: at the end of each epoch the best weights so far replace those of the moment; moments and rates stay.
        val_videos: so many of the first videos are evaluated on in pre-training, with the pairs among them; 0: all.
        gradient_method: how gradients are made; None: by one pass.
        average: which average of weights is evaluated and kept; None: the weights as they are.
        patience: the run ends after so many evaluations in turn of which none is better than the best before; 0: it never does.
    """

    batch_size: int
    total_steps: int
    tasks: dict[str, Task]
    groups: dict[str, Group]
    selection: Selection = Selection()
    val_batch_size: int = 32
    eval_every: int = 1000
    log_every: int = 100
    seed: int = 42
    precision: str = "auto"
    bucket_by_length: bool = True
    jit_compile: bool = False
    length_multiple: int = 0
    accumulate: int = 1
    remat: bool = False
    clip_norm: float = 0.0
    labels: str = "scores"
    optimizer: Adam = Adam()
    reduction: str = "sum"
    phases: dict[str, Phase] = dataclasses.field(default_factory=dict)
    reload_best: bool = False
    val_videos: int = 0
    gradient_method: GradientMethod | None = None
    average: WeightAverage | None = None
    patience: int = 0

    def require_micro_batches(self, model: Model, replicas: int) -> None:
        """`UserError` where model or tasks need the whole batch at once, or a replica's has too few examples for `accumulate`."""
        examples = max(self.batch_size // max(replicas, 1), 1)  # a batch too small for the replicas is another error
        given, of_replica = f"accumulate={self.accumulate}", f" on {replicas} replicas" if replicas > 1 else ""
        require(
            self.accumulate == 1 or self.videos_are_independent(model),
            f"{given}: {model.name} needs the whole batch at once (BatchNorm, a loss of all its examples); leave it out",
            "training.accumulate",
        )
        require(
            self.accumulate <= examples,
            f"{given}: a micro-batch has at least one example, and batch_size={self.batch_size}{of_replica} has {examples};"
            f" give {examples} or less",
            "training.accumulate", "training.batch_size",
        )  # fmt: skip

    def videos_are_independent(self, model: Model) -> bool:
        """Whether neither the model's outputs of a video nor its losses need the outputs of others."""
        return model.videos_are_independent and all(task.videos_are_independent for task in self.tasks.values())

    @property
    def schedules(self) -> dict[str, Schedule | PhasedSchedule]:
        """The learning rate of each group over all phases."""
        return {name: phased(group.schedule, self.phases) for name, group in self.groups.items()}

    @property
    def warm_ups(self) -> dict[str, WarmUpSchedule]:
        """The schedules that begin with a warm-up, by group."""
        schedules = {name: group.schedule for name, group in self.groups.items()}
        return {name: schedule for name, schedule in schedules.items() if isinstance(schedule, WarmUpSchedule)}

    @property
    def data_sets(self) -> list[str]:
        """Names of the data sets of all phases."""
        phases = self.phases.values() or [Phase()]
        return list(dict.fromkeys(name for phase in phases for group in phase.sets for name in group))

    def with_total_steps(self, total_steps: int) -> "Stage":
        """As many steps in all; those that phases are counted in change in proportion."""
        phases = {name: phase.scaled(total_steps / self.total_steps) for name, phase in self.phases.items()}
        return self.replace(total_steps=total_steps, phases=phases)

    def with_scaled_schedules(self, total_steps: int) -> "Stage":
        """As many steps in all; warm-ups and horizons of all groups change in proportion."""
        share = total_steps / self.total_steps
        changes = {
            f"groups.{name}.schedule": schedule.replace(
                warmup=int(schedule.warmup * share), horizon=max(int(schedule.horizon * share), 1)
            ).to_dict()
            for name, schedule in self.warm_ups.items()
        }
        return self.with_total_steps(total_steps).replace(changes)

    def steps_per_epoch(self, examples: int) -> int:
        """Steps of an epoch of so many examples: its whole batches, at least one."""
        return max(examples // self.batch_size, 1)

    def epochs(self, examples: int) -> float:
        """How often all steps see each of so many examples."""
        return self.total_steps / self.steps_per_epoch(examples)

    def with_epochs(self, epochs: float, examples: int) -> "Stage":
        """As many steps as so many epochs have, at least one; schedules keep their shape, intervals shrink to fit a short run."""
        steps = max(round(epochs * self.steps_per_epoch(examples)), 1)
        return self.with_scaled_schedules(steps).replace(
            eval_every=min(self.eval_every, math.ceil(steps / EVALUATIONS)),
            log_every=min(self.log_every, math.ceil(steps / LOG_LINES)),
        )

    def with_warmups(self, shares: Mapping[str, float]) -> "Stage":
        """Schedules that end with the run, of which each group's warm-up is a share below 1."""
        total, changes = self.total_steps, {}
        for name, schedule in self.warm_ups.items():
            if name in shares:
                warmup = min(round(shares[name] * total), total - 1)
                changes[f"groups.{name}.schedule"] = schedule.replace(warmup=warmup, horizon=total).to_dict()
        return self.replace(changes)

    def averaging(self, decay: float) -> "Stage":
        """With an exponential average of weights; a decay of 0 is none."""
        return self.replace({"average": {"type": ExponentialAverage.type_name, "decay": decay} if decay else None})

    @property
    def rate_paths(self) -> list[str]:
        """Settings of the peak learning rates by their paths from config.json on, the last group's first."""
        return [f"training.groups.{name}.schedule.peak" for name in reversed(self.groups)]

    def __post_init__(self) -> None:
        self.require_positive("batch_size", "total_steps", "val_batch_size", "eval_every", "log_every", "accumulate")
        self.require_finite("clip_norm")
        require(self.reduction in REDUCTIONS, f"reduction={self.reduction!r}: 'sum' or 'mean' is accepted", "reduction")
        require(0 <= self.patience <= LARGEST, f"patience={self.patience}: an integer from 0 is needed", "patience")
        require(0 <= self.val_videos <= LARGEST, f"val_videos={self.val_videos}: an integer from 0 is needed", "val_videos")
        starts = [phase.start for phase in self.phases.values()]
        ordered = not starts or (starts[0] == 0 and starts == sorted(set(starts)))
        require(ordered, f"phases: start={', '.join(map(str, starts))}: from 0 on, each later than the one before", "phases")
        message = "reload_best=True with an average of weights: give one (training.reload_best=false)"
        require(not (self.reload_best and self.average), message, "reload_best")
        require(bool(self.tasks), "tasks={}: at least one task is needed", "tasks")
        weighs = any(task.weight for task in self.tasks.values())
        require(weighs, f"tasks={', '.join(self.tasks)}: all have weight=0, nothing would be learned", "tasks")
        late = [name for place, (name, task) in enumerate(self.tasks.items()) if place and task.comes_first]
        message = f"tasks={', '.join(self.tasks)}: {', '.join(late)} must be the first, which sees nothing masked"
        require(not late, message, "tasks")
        require(bool(self.groups), "groups={}: at least one group of weights is needed", "groups")
        multiple = f"length_multiple={self.length_multiple!r}"
        require(0 <= self.length_multiple <= LARGEST, f"{multiple}: an integer from 0 is needed", "length_multiple")
        require(self.labels in LABELS, f"labels={self.labels!r}: one of {', '.join(LABELS)} is accepted", "labels")
        require(0 <= self.seed <= LARGEST, f"seed={self.seed!r}: an integer from 0 to {LARGEST} is needed", "seed")
        precisions = ", ".join(PRECISIONS)
        require(self.precision in PRECISIONS, f"precision={self.precision!r}: one of {precisions} is accepted", "precision")
