"""Masked frame model: which of all frames of the batch has been there (docs/facts_rank1.md 4.3)."""

import math
from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.lazy import ops, tf
from vsim_tf.tasks.global_batch import Rows
from vsim_tf.tasks.task import Step, Task, require_single_stream
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.records.schema import VideoBatch

FRAMES, MASKED = "frames", "masked_frames"
"""Targets: the frames as they were, `[batch, frames, dim]`, and which of them are masked, `[batch, frames]` booleans."""
HEAD = "mfm"
SEED = 0x6D666D
"""Added to the seed of a step, so that frames are not masked by the numbers that tokens are."""


class MaskedFrames(Task, name="masked_frames"):
    """B times the mean InfoNCE over all masked frames of the global batch; 0 when none is masked.

    Masked frames are zeros for the model, which predicts a frame o for each. With all real frames v of the global batch as
    candidates the loss is −log softmax_j(o·v_j) at the frame itself, in float32, without temperature and normalisation (van den
    Oord et al. 2018, arXiv 1807.03748). Logits are computed of masked frames only, and without padding: the original subtracts
    1e8 from those with padding, which leaves exactly nothing of them.

    Attributes:
        probability: of a real frame to be masked.
    """

    probability: float = 0.135

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_probability("probability")

    def require_model(self, model: "Model") -> None:
        require_single_stream(self, model)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.frame_head import MaskedFrameHead

        config = network.config
        head = MaskedFrameHead(config.state_size, config.frames.dim, config.encoder.layer_norm_eps, name=HEAD)
        network.heads[HEAD] = head
        head.build((None, config.state_size))

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        from vsim_tf.input.masking import choose_frames

        rows, _ = draw.whole
        masked = choose_frames(real_frames(batch), draw.seed + SEED, self.probability, (rows, draw.max_frames), draw.first_row)
        frames = tf.where(masked[..., None], tf.zeros([], batch.frames.dtype), batch.frames)
        return batch._replace(frames=frames, targets=batch.targets | {FRAMES: batch.frames, MASKED: masked})

    def count(self, batch: "VideoBatch") -> Tensor:
        return tf.math.count_nonzero(batch.targets[MASKED], dtype=tf.int32)

    def shared_rows(self, batch: "VideoBatch") -> Rows:
        """The real frames."""
        return Rows(tf.boolean_mask(batch.targets[FRAMES], real_frames(batch)), tf.cast(batch.num_frames, tf.int32))

    def loss(self, step: Step) -> Tensor:
        (output,), (batch,) = step.outputs, step.batch.elements
        assert output.sequence is not None
        masked = tf.where(batch.targets[MASKED])
        states = tf.gather_nd(output.sequence.states, output.sequence.places(FRAMES, masked, tf.shape(batch.frames)[1]))
        predicted = ops.cast(step.network.heads[HEAD](states), "float32")
        assert step.shared is not None
        logits = ops.matmul(predicted, ops.transpose(ops.cast(step.shared.rows, "float32")))
        logits = tf.pad(logits, [[0, 0], [0, 1]], constant_values=-math.inf)  # there must be one, also where no video has a frame
        videos, places = tf.unstack(masked, axis=1)
        own = tf.cast(tf.gather(step.shared.first, videos), places.dtype) + places
        loss = ops.sum(losses.cross_entropy(logits, own))
        return step.videos * loss / tf.maximum(step.count, 1.0)


def real_frames(batch: "VideoBatch") -> Tensor:
    """Which positions hold a frame, `[batch, frames]` booleans."""
    return tf.range(tf.shape(batch.frames)[1]) < batch.num_frames[:, None]
