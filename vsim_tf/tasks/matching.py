"""Image-text matching: do title and frames belong together? (docs/facts_rank1.md 4.4, docs/facts_rank8.md 5)."""

from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.components import require
from vsim_tf.lazy import keras, ops, tf
from vsim_tf.tasks.batch_parts import ALL, JOINT, bounds, rows_of, target
from vsim_tf.tasks.task import Step, Task, require_single_stream
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.records.schema import VideoBatch

TARGET, ROWS, HEAD = "matching", "rows", "itm"


class Matching(Task, name="matching"):
    """B times the mean cross-entropy of logits on [CLS]: do title and frames belong to one video?

    The second half of the task's part of the batch gets its frames in reversed order; the middle row of an odd half keeps its
    frames. Where several workers read parts of a batch, each reverses the rows that it has.

    Attributes:
        units: logits, 1 (binary cross-entropy) or 2 (softmax, 1 for those that belong together; docs/facts_rank8.md 5.2).
        with_padding: numbers of frames follow the frames; else they stay, and frames count as padding or the other way round.
        part: of the batch (`vsim_tf.tasks.batch_parts`), one that ends with it.
    """

    units: int = 1
    with_padding: bool = False
    part: str = ALL

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.units in (1, 2), f"units={self.units}: 1 or 2 is accepted", "units")
        self.require_one_of("part", (ALL, JOINT))

    def require_model(self, model: "Model") -> None:
        require_single_stream(self, model)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel

        width = network.config.state_size
        kernel, bias = torch_uniform_kernel(), torch_uniform_bias(width)
        head = keras.layers.Dense(self.units, dtype="float32", kernel_initializer=kernel, bias_initializer=bias, name=HEAD)
        network.heads[HEAD] = head
        head.build((None, width))

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        first, end = bounds(self.part, draw.whole[0])
        rows = rows_of(self.part, batch, draw)
        begin = first + (end - first) // 2 - draw.first_row
        batch = reversed_behind(batch, tf.maximum(begin, 0), self.with_padding)
        return batch if self.part == ALL else batch._replace(targets=batch.targets | {target(ROWS, self.part): rows})

    def rows(self, batch: "VideoBatch") -> Tensor:
        """Which videos belong to the task's part, `[batch]` booleans."""
        return tf.ones_like(batch.num_frames, tf.bool) if self.part == ALL else batch.targets[target(ROWS, self.part)]

    def count(self, batch: "VideoBatch") -> Tensor:
        return tf.math.count_nonzero(self.rows(batch), dtype=tf.int32)

    def loss(self, step: Step) -> Tensor:
        (output,), (batch,) = step.outputs, step.batch.elements
        assert output.sequence is not None
        logits, answers = self.logits(step.network, output.sequence.first("cls")), batch.targets[TARGET]
        if self.units == 1:
            each = ops.binary_crossentropy(answers, logits, from_logits=True)
        else:
            each = losses.cross_entropy(logits, ops.cast(answers, "int32"))
        total = ops.sum(ops.where(self.rows(batch), each, 0.0))
        return step.videos * total / tf.maximum(step.count, 1.0)

    @staticmethod
    def logits(network: "VideoNetwork", states: Tensor) -> Tensor:
        """Logits of the states of [CLS], `[batch, width]`: `[batch]` of one unit, or `[batch, 2]`."""
        logits = ops.cast(network.heads[HEAD](ops.cast(states, "float32")), "float32")
        return logits[:, 0] if logits.shape[-1] == 1 else logits


def reversed_behind(batch: "VideoBatch", first: Tensor, with_padding: bool = False) -> "VideoBatch":
    """The batch with the frames of its rows from one on in reversed order, and the target."""
    rows = tf.range(tf.shape(batch.frames)[0])
    order = tf.concat([rows[:first], rows[first:][::-1]], axis=0)
    answers = tf.cast(order == rows, tf.float32)
    num_frames = tf.gather(batch.num_frames, order) if with_padding else batch.num_frames
    frames, targets = tf.gather(batch.frames, order), batch.targets | {TARGET: answers}
    return batch._replace(frames=frames, num_frames=num_frames, targets=targets)
