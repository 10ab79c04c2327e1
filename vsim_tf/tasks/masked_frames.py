"""Masked frame model: which of all frames of the batch has been there (docs/facts_rank1.md 4.3)."""

import math
from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.lazy import ops, tf
from vsim_tf.tasks.batch_parts import ALL, NO_FRAMES, PARTS, rows_of, target
from vsim_tf.tasks.global_batch import Rows
from vsim_tf.tasks.task import Step, Task, require_single_stream
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.records.schema import VideoBatch

FRAMES, MASKED, ROWS = "frames", "masked_frames", "rows"
"""Targets: the frames as they were, `[batch, frames, dim]`, which of them are masked, `[batch, frames]` booleans, and which
videos belong to the task's part of the batch, `[batch]` booleans."""
HEAD = "mfm"
PADDED = -1e8
"""Added to logits of a slot without a frame."""
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
        part: of the batch, whose frames are masked and are candidates (`vsim_tf.tasks.batch_parts`).
    """

    probability: float = 0.135
    part: str = ALL

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_probability("probability")
        self.require_one_of("part", PARTS)

    def target(self, name: str) -> str:
        """Key of a target of this task's part."""
        return target(name, self.part)

    def require_model(self, model: "Model") -> None:
        require_single_stream(self, model)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.frame_head import MaskedFrameHead

        if HEAD in network.heads:
            return
        config = network.config
        head = MaskedFrameHead(config.state_size, config.frames.dim, config.encoder.layer_norm_eps, name=HEAD)
        network.heads[HEAD] = head
        head.build((None, config.state_size))

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        rows = rows_of(self.part, batch, draw)
        masked = self.chosen(batch, draw) & rows[:, None]
        frames = tf.where(masked[..., None], tf.zeros([], batch.frames.dtype), batch.frames)
        targets = {FRAMES: batch.frames, MASKED: masked} | ({} if self.part == ALL else {ROWS: rows})
        return batch._replace(
            frames=frames, targets=batch.targets | {self.target(name): value for name, value in targets.items()}
        )

    def chosen(self, batch: "VideoBatch", draw: "Draw") -> Tensor:
        """Which frames are masked, `[batch, frames]` booleans, as if the task took all rows."""
        from vsim_tf.input.masking import choose_frames

        whole = (draw.whole[0], draw.max_frames)
        return choose_frames(real_frames(batch), draw.seed + SEED, self.probability, whole, draw.first_row)

    def count(self, batch: "VideoBatch") -> Tensor:
        return tf.math.count_nonzero(batch.targets[self.target(MASKED)], dtype=tf.int32)

    def rows(self, batch: "VideoBatch") -> Tensor:
        """Which videos belong to the task's part, `[batch]` booleans."""
        return tf.ones_like(batch.num_frames, tf.bool) if self.part == ALL else batch.targets[self.target(ROWS)]

    def shared_rows(self, batch: "VideoBatch") -> Rows:
        """The real frames."""
        inside = self.rows(batch)
        real = real_frames(batch) & inside[:, None]
        frames = tf.boolean_mask(batch.targets[self.target(FRAMES)], real)
        return Rows(frames, tf.where(inside, tf.cast(batch.num_frames, tf.int32), 0))

    def loss(self, step: Step) -> Tensor:
        (output,), (batch,) = step.outputs, step.batch.elements
        assert output.sequence is not None and step.shared is not None
        masked = tf.where(batch.targets[self.target(MASKED)])
        states = tf.gather_nd(output.sequence.states, output.sequence.places(FRAMES, masked, tf.shape(batch.frames)[1]))
        predicted = ops.cast(step.network.heads[HEAD](states), "float32")
        logits = self.logits(predicted, tf.gather_nd(real_frames(batch), masked), step.shared.rows)
        logits = tf.pad(logits, [[0, 0], [0, 1]], constant_values=-math.inf)  # there must be one, also where no video has a frame
        videos, places = tf.unstack(masked, axis=1)
        own = tf.cast(tf.gather(step.shared.first, videos), places.dtype) + places
        loss = ops.sum(losses.cross_entropy(logits, own))
        return step.videos * loss / tf.maximum(step.count, 1.0)

    def logits(self, predicted: Tensor, real: Tensor, candidates: Tensor) -> Tensor:
        """Logits `[masked, candidates]` of predicted frames `[masked, dim]`.

        Args:
            predicted: one for each masked frame.
            real: whether there is a frame at its place, `[masked]` booleans.
            candidates: the shared rows, `[candidates, dim]`.
        """
        del real
        return ops.matmul(predicted, ops.transpose(ops.cast(candidates, "float32")))


class HiddenFrames(MaskedFrames, name="hidden_frames"):
    """The same for a part of the batch in which all real frames are masked (docs/facts_rank8.md 5.1)."""

    part: str = NO_FRAMES

    def chosen(self, batch: "VideoBatch", draw: "Draw") -> Tensor:
        return real_frames(batch)


class MaskedSlots(MaskedFrames, name="masked_slots"):
    """The same with all slots as candidates, and 1e8 subtracted from logits of a padded one with any, as the original has it.

    It differs where matching gives videos the frames of others afterwards: targets stay those of the own video, and what counts
    as padding is that of the other. Where the own slot is padding then, 1e8 is subtracted from a whole row of logits, which
    leaves them rounded to multiples of 8 (rank-8 quirk 1). Put right is `MaskedFrames` behind matching.
    """

    def shared_rows(self, batch: "VideoBatch") -> Rows:
        """All slots, with whether they hold a frame as one more number."""
        inside, frames = self.rows(batch), batch.targets[self.target(FRAMES)]
        slots = tf.shape(frames)[1]
        marked = tf.concat([tf.cast(frames, tf.float32), tf.cast(real_frames(batch), tf.float32)[..., None]], axis=-1)
        rows = tf.reshape(tf.boolean_mask(marked, inside), (-1, frames.shape[-1] + 1))
        return Rows(rows, tf.where(inside, slots, 0))

    def logits(self, predicted: Tensor, real: Tensor, candidates: Tensor) -> Tensor:
        frames, is_real = candidates[:, :-1], candidates[:, -1] > 0
        both = real[:, None] & is_real[None]
        return super().logits(predicted, real, frames) + tf.where(both, 0.0, PADDED)


def real_frames(batch: "VideoBatch") -> Tensor:
    """Which positions hold a frame, `[batch, frames]` booleans."""
    return tf.range(tf.shape(batch.frames)[1]) < batch.num_frames[:, None]
