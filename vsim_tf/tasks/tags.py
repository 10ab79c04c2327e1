"""Multi-label classification of the videos' tags."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.components import require
from vsim_tf.lazy import ops, tf
from vsim_tf.models.tag_heads import EmbeddingTags, TagHead
from vsim_tf.records.schema import UNTAGGED
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.records.schema import VideoBatch

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
        head: what a single-stream model's head reads.
    """

    form: str = "bce"
    head: TagHead = EmbeddingTags()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.form in TAG_LOSSES, f"form={self.form!r}: accepted are {', '.join(TAG_LOSSES)}", "form")

    def require_model(self, model: "Model") -> None:
        layout = getattr(model, "layout", None)
        name = self.head.type_name
        plain = isinstance(self.head, EmbeddingTags)
        require(plain or layout is not None, f"head={name!r}: {model.name} is no single-stream model and reads its own", "head")
        first = layout is None or layout.cls_first or not self.head.reads_cls
        require(
            first,
            f"head={name!r} with layout={layout and layout.type_name!r}: it reads [CLS], which must stand first; with this layout"
            " embedding and relu_embedding are accepted",
            "head",
        )

    def add_heads(self, network: "VideoNetwork") -> None:
        network.add_tag_heads(self.head)

    def per_video(self, logits: Tensor, tags: Tensor) -> Tensor:
        """Loss of each video, `[batch]`, of `[batch, tags]` logits and multi-hot tags."""
        return TAG_LOSSES[self.form](logits, tags)


class Tags(TagTask, name="tags"):
    """Σ over videos of the tag loss of the model's (or the mixture's) logits; both elements of pairs count."""

    def loss(self, step: Step) -> Tensor:
        pairs = zip(step.outputs, step.batch.elements, strict=True)
        return sum(ops.sum(self.per_video(output.logits["tags"], element.targets["tags"])) for output, element in pairs)


class MeanTags(TagTask, name="mean_tags"):
    """Mean of the tag loss over tags and over the videos that have tags (docs/facts_rank1.md 4.1); 0 when none has.

    A video without tags has `UNTAGGED` targets. Its logits get a gradient of zero, with which Adam's moments and decay still move
    the head (rank-1 quirk 21).
    """

    def count(self, batch: "VideoBatch") -> Tensor:
        return tf.math.count_nonzero(_is_tagged(batch.targets["tags"]), dtype=tf.int32)

    def loss(self, step: Step) -> Tensor:
        (output,), tags = step.outputs, step.batch.targets["tags"]
        tagged = _is_tagged(tags)
        losses_of_videos = self.per_video(output.logits["tags"], tf.where(tagged[:, None], tags, 0))
        total = ops.sum(tf.where(tagged, losses_of_videos, 0.0))
        return step.videos * total / (tf.maximum(step.count, 1.0) * tags.shape[1])


def _is_tagged(tags: Tensor) -> Tensor:
    return tags[:, 0] != UNTAGGED
