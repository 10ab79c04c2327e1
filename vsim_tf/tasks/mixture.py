"""Losses of a mixture of experts."""

from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.lazy import ops
from vsim_tf.tasks.tags import TagTask
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork


class ExpertTags(TagTask, name="expert_tags"):
    """Σ over videos and experts of the tag loss of each expert's logits."""

    def add_heads(self, network: "VideoNetwork") -> None:
        """None of its own: those of the mixture."""

    def loss(self, step: Step) -> Tensor:
        (output,), tags = step.outputs, step.batch.targets["tags"]
        assert output.experts is not None
        return sum(ops.sum(self.per_video(logits, tags)) for logits in output.experts.logits)


class MixtureRegulariser(Task, name="mixture_regulariser"):
    """Σ over videos of the divergence of the experts' tags from the mixture's."""

    def loss(self, step: Step) -> Tensor:
        (output,) = step.outputs
        assert output.experts is not None
        return ops.sum(losses.mixture_regulariser(output.logits["tags"], list(output.experts.logits)))
