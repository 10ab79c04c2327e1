"""Image-text matching: do title and frames belong together? (docs/facts_rank1.md 4.4)."""

from typing import TYPE_CHECKING

from vsim_tf.lazy import keras, ops, tf
from vsim_tf.tasks.task import Step, Task, require_single_stream
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.records.schema import VideoBatch

TARGET, HEAD = "matching", "itm"


class Matching(Task, name="matching"):
    """Σ over videos of the binary cross-entropy of a logit on [CLS]: 1 where title and frames are of one video.

    The second half of the batch gets its frames in reversed order; numbers of frames stay, the middle row of an odd half keeps
    its frames. It is off in all six jobs. Where several workers read parts of a batch, each reverses the second half of its part.
    """

    def require_model(self, model: "Model") -> None:
        require_single_stream(self, model)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel

        width = network.config.state_size
        kernel, bias = torch_uniform_kernel(), torch_uniform_bias(width)
        head = keras.layers.Dense(1, dtype="float32", kernel_initializer=kernel, bias_initializer=bias, name=HEAD)
        network.heads[HEAD] = head
        head.build((None, width))

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        return half_reversed(batch)

    def loss(self, step: Step) -> Tensor:
        (output,), target = step.outputs, step.batch.targets[TARGET]
        assert output.sequence is not None
        logits = self.logits(step.network, output.sequence.first("cls"))
        return ops.sum(ops.binary_crossentropy(target, logits, from_logits=True))

    @staticmethod
    def logits(network: "VideoNetwork", states: Tensor) -> Tensor:
        """Logits `[batch]` of the states of [CLS], `[batch, width]`."""
        return ops.cast(network.heads[HEAD](ops.cast(states, "float32")), "float32")[:, 0]


def half_reversed(batch: "VideoBatch") -> "VideoBatch":
    """The batch with the frames of its second half in reversed order, and the target."""
    rows = tf.range(tf.shape(batch.frames)[0])
    kept = tf.shape(rows)[0] // 2
    order = tf.concat([rows[:kept], rows[kept:][::-1]], axis=0)
    target = tf.cast(order == rows, tf.float32)
    return batch._replace(frames=tf.gather(batch.frames, order), targets=batch.targets | {TARGET: target})
