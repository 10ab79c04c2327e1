"""Multi-label classification of the videos' tags."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.components import require
from vsim_tf.lazy import ops
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork

TAG_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": losses.bce_from_logits,
    "clipped_bce": lambda logits, labels: losses.bce_from_probabilities(ops.sigmoid(logits), labels),
    "asl": lambda logits, labels: losses.asymmetric_loss(ops.sigmoid(logits), labels),
}
"""By name: of logits in the stable form, of clipped probabilities, and asymmetric; see `vsim_tf.losses`."""


class TagTask(Task):
    """A loss of tag logits.

    Attributes:
        form: "bce", "clipped_bce" or "asl".
    """

    form: str = "bce"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.form in TAG_LOSSES, f"form={self.form!r}: accepted are {', '.join(TAG_LOSSES)}", "form")

    def add_heads(self, network: "VideoNetwork") -> None:
        network.add_tag_heads()

    def per_video(self, logits: Tensor, tags: Tensor) -> Tensor:
        """Loss of each video, `[batch]`, of `[batch, tags]` logits and multi-hot tags."""
        return TAG_LOSSES[self.form](logits, tags)


class Tags(TagTask, name="tags"):
    """Σ over videos of the tag loss of the model's (or the mixture's) logits; both elements of pairs count."""

    def loss(self, step: Step) -> Tensor:
        pairs = zip(step.outputs, step.batch.elements, strict=True)
        return sum(ops.sum(self.per_video(output.logits["tags"], element.targets["tags"])) for output, element in pairs)
