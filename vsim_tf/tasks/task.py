"""A task: corruption of a batch, heads, loss and weight."""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vsim_tf.components import Component, require
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.models.outputs import VideoOutput
    from vsim_tf.records.schema import PairBatch, VideoBatch
    from vsim_tf.tasks.global_batch import GlobalBatch, Rows, SharedRows


class Step(NamedTuple):
    """What a loss is computed from.

    Attributes:
        network: the model.
        batch: this replica's examples, videos or pairs, with `targets`.
        outputs: the model's output for each of `batch.elements`.
        world: what this replica knows of the global batch.
        videos: videos of the global batch, a float32 scalar; a pair has two.
        training: whether dropout is on, for tasks that call the model again (`vsim_tf.tasks.forward`).
        count: this task's `Task.count` over all replicas, a float32 scalar.
        shared: this task's `Task.shared_rows` of all replicas.
    """

    network: "VideoNetwork"
    batch: "VideoBatch | PairBatch"
    outputs: "tuple[VideoOutput, ...]"
    world: "GlobalBatch"
    videos: Tensor
    training: bool = True
    count: Tensor = None
    shared: "SharedRows | None" = None


class Task(Component):
    """One term of what is minimised.

    Logged losses are means over videos. The sum is differentiated, i.e. the number of videos in the global batch times
    the mean, as in 2021, so that Adam's epsilon means the same and replicas simply add their gradients (docs/facts.md 4.1, 5.2).

    Attributes:
        weight: factor of the loss; with 0 it is not computed.
        reads_context: whether it needs the tokens of OCR and speech, and of the title alone: targets "context_ids",
            "context_mask", "title_ids" and "title_mask", `[batch, text]` each.
        comes_first: whether it reads the batch as it was before the corruptions of others.
        videos_are_independent: whether the loss of a video needs no outputs of others; else a batch cannot be cut.
    """

    weight: float = 1.0

    reads_context: ClassVar[bool] = False
    comes_first: ClassVar[bool] = False
    videos_are_independent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.require_finite("weight")

    def require_model(self, model: "Model") -> None:
        """`UserError`, whose fields are paths from this task, for a model that the task cannot train."""

    def add_heads(self, network: "VideoNetwork") -> None:
        """Adds heads to a network that is not built yet; those that its call does not build must be built here."""

    def corrupt(self, batch: Any, draw: "Draw") -> Any:
        """The batch with what the task hides of it, and the targets that belong to it. It runs in the input pipeline."""
        del draw
        return batch

    def shared_rows(self, batch: Any) -> "Rows | None":
        """Rows of this replica's examples, of which the loss needs those of all replicas; None for none.

        They are gathered before the forward pass (`Step.shared`), so they must not depend on weights.
        """
        del batch
        return None

    def count(self, batch: Any) -> Tensor | None:
        """How many things of this replica's batch the loss averages over, an integer scalar; None where these are videos.

        It is summed over replicas before the forward pass (`Step.count`).
        """
        del batch
        return None

    def loss(self, step: Step) -> Tensor:
        """This replica's part of the sum over videos, a float32 scalar."""
        raise NotImplementedError


def require_single_stream(task: Task, model: "Model") -> None:
    """`UserError` unless a model has one sequence of tokens and frames."""
    message = f"the task {task.type_name} needs one sequence of tokens and frames, which {model.name} does not have"
    require(model.type_name == "single_stream", message)
