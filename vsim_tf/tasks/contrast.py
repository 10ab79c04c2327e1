"""Contrast of the two sides of a video."""

from vsim_tf import losses
from vsim_tf.lazy import ops
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor


class Contrast(Task, name="contrast"):
    """Σ over videos and experts k of C(v_k, t), frame vectors against text, with the negatives of the global batch."""

    def loss(self, step: Step) -> Tensor:
        (output,), world = step.outputs, step.world
        assert output.experts is not None
        text = ops.cast(output.experts.text, "float32")
        all_text = world.gather(text)
        vectors = [ops.cast(v, "float32") for v in output.experts.vectors]
        return sum(ops.sum(losses.contrastive(v, text, world.gather(v), all_text, world.offset)) for v in vectors)
