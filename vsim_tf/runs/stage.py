"""How a model is trained in one stage."""

from vsim_tf.components import LARGEST, Component, require
from vsim_tf.optim.averaging import WeightAverage
from vsim_tf.optim.gradients import GradientMethod
from vsim_tf.optim.groups import Group
from vsim_tf.tasks.task import Task

PRECISIONS = ("auto", "float32", "mixed_bfloat16")
LABELS = ("scores", "rank")
DIRECTIONS = {"max": 1.0, "min": -1.0}


class Selection(Component):
    """Which evaluation is the best.

    Attributes:
        metric: name of the metric.
        direction: "max" or "min".
    """

    metric: str = "spearman"
    direction: str = "max"

    def __post_init__(self) -> None:
        require(self.direction in DIRECTIONS, f"direction={self.direction!r}: 'max' or 'min' is accepted", "direction")

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
        eval_every, log_every: steps between evaluations (with a checkpoint) and between log lines.
        gradient_method: how gradients are made; None: by one pass.
        average: which average of weights is evaluated and kept; None: the weights as they are.
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
    clip_norm: float = 0.0
    labels: str = "scores"
    gradient_method: GradientMethod | None = None
    average: WeightAverage | None = None

    @property
    def rate_paths(self) -> list[str]:
        """Settings of the peak learning rates by their paths from config.json on, the last group's first."""
        return [f"training.groups.{name}.schedule.peak" for name in reversed(self.groups)]

    def __post_init__(self) -> None:
        self.require_positive("batch_size", "total_steps", "val_batch_size", "eval_every", "log_every")
        self.require_finite("clip_norm")
        require(bool(self.tasks), "tasks={}: at least one task is needed", "tasks")
        require(bool(self.groups), "groups={}: at least one group of weights is needed", "groups")
        multiple = f"length_multiple={self.length_multiple!r}"
        require(0 <= self.length_multiple <= LARGEST, f"{multiple}: an integer from 0 is needed", "length_multiple")
        require(self.labels in LABELS, f"labels={self.labels!r}: one of {', '.join(LABELS)} is accepted", "labels")
        require(0 <= self.seed <= LARGEST, f"seed={self.seed!r}: an integer from 0 to {LARGEST} is needed", "seed")
        precisions = ", ".join(PRECISIONS)
        require(self.precision in PRECISIONS, f"precision={self.precision!r}: one of {precisions} is accepted", "precision")
