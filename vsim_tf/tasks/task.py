"""A task: corruption of a batch, heads, loss and weight."""

from typing import TYPE_CHECKING, Any, NamedTuple

from vsim_tf.components import Component
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.models.outputs import VideoOutput
    from vsim_tf.records.schema import PairBatch, VideoBatch
    from vsim_tf.tasks.global_batch import GlobalBatch


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
    """

    network: "VideoNetwork"
    batch: "VideoBatch | PairBatch"
    outputs: "tuple[VideoOutput, ...]"
    world: "GlobalBatch"
    videos: Tensor
    training: bool = True
    count: Tensor = None


class Task(Component):
    """One term of what is minimised.

    Logged losses are means over videos. The sum is differentiated, i.e. the number of videos in the global batch times
    the mean, as in 2021, so that Adam's epsilon means the same and replicas simply add their gradients (docs/facts.md 4.1, 5.2).

    Attributes:
        weight: factor of the loss.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        self.require_finite("weight")

    def add_heads(self, network: "VideoNetwork") -> None:
        """Adds heads to a network that is not built yet; those that its call does not build must be built here."""

    def corrupt(self, batch: Any, draw: "Draw") -> Any:
        """The batch with what the task hides of it, and the targets that belong to it. It runs in the input pipeline."""
        del draw
        return batch

    def count(self, batch: Any) -> Tensor | None:
        """How many things of this replica's batch the loss averages over, an integer scalar; None where these are videos.

        It is summed over replicas before the forward pass (`Step.count`).
        """
        del batch
        return None

    def loss(self, step: Step) -> Tensor:
        """This replica's part of the sum over videos, a float32 scalar."""
        raise NotImplementedError
