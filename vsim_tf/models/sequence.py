"""What flows from embeddings through the encoder to pooling and heads. It owns padding and trimming."""

from typing import NamedTuple

from vsim_tf.layers.packing import packed_positions, take_positions
from vsim_tf.lazy import ops
from vsim_tf.types import Tensor

Span = tuple[Tensor, Tensor]
"""First position of a part, and the one behind its last: integers, or scalar tensors."""


class Sequence(NamedTuple):
    """States of tokens and frames.

    Attributes:
        states: `[batch, length, dim]`.
        mask: True at tokens and real frames, `[batch, length]`.
        positions: of rotary embeddings, `[length]` or `[batch, length]` integers; they do not depend on trimming.
        counts: how many equal positions a state stands for, `[length]` or `[batch, length]` integers: where frames are trimmed,
            the last one stands for those that would repeat it.
        spans: where "cls", "text" and "frames" stand, before packing. A layout that puts [CLS] elsewhere leaves it out of "text".
        packed_to: where each position has gone in packing, `[batch, length before]` integers; None without packing.
    """

    states: Tensor
    mask: Tensor
    positions: Tensor
    counts: Tensor
    spans: dict[str, Span]
    packed_to: Tensor | None = None

    def span(self, name: str) -> "Sequence":
        """One part alone, of a sequence that is not packed."""
        return self.part(name, *self.spans[name])

    def part(self, name: str, start: Tensor, stop: Tensor) -> "Sequence":
        """Some positions as a part of that name."""
        part = slice(start, stop)
        return Sequence(
            self.states[:, part], self.mask[:, part], self.positions[..., part], self.counts[..., part], {name: (0, stop - start)}
        )

    def counted(self, padding: bool) -> Tensor:
        """How often each state counts, `[batch or 1, length]` in the states' type.

        Args:
            padding: padding counts like everything else; else it counts nothing, and every other state once.
        """
        if not padding:
            return ops.cast(self.mask, self.states.dtype)
        counts = ops.cast(self.counts, self.states.dtype)
        return counts if len(counts.shape) == 2 else counts[None]

    def first(self, name: str) -> Tensor:
        """The states of the first position of a part, `[batch, dim]`."""
        start, _ = self.spans[name]
        if self.packed_to is None:
            return self.states[:, start]
        return ops.take_along_axis(self.states, self.packed_to[:, start, None, None], axis=1)[:, 0]

    def places(self, name: str, indices: Tensor, width: Tensor | int) -> Tensor:
        """Positions in `states` of places within a part.

        Args:
            name: of the part.
            indices: video and place of each, `[n, 2]` integers; none that packing has removed.
            width: how many places are counted; the last of them stands at the end of the part. It is 36 for tokens where "text"
                has 35, because [CLS] stands elsewhere.

        Returns:
            video and position of each, `[n, 2]`, of the same type.
        """
        _, stop = self.spans[name]
        rows, inside = ops.unstack(indices, 2, axis=1)
        positions = inside + ops.cast(stop - width, indices.dtype)
        if self.packed_to is not None:
            before = ops.cast(ops.shape(self.packed_to)[1], indices.dtype)
            positions = ops.cast(ops.take(ops.reshape(self.packed_to, (-1,)), rows * before + positions, axis=0), indices.dtype)
        return ops.stack([rows, positions], axis=1)

    def packed(self) -> "Sequence":
        """Without padding: unmasked positions first, in their order, cut to the longest of the batch."""
        order = packed_positions(self.mask)
        batch = ops.shape(self.states)[0]

        def rows(values: Tensor) -> Tensor:
            wide = ops.broadcast_to(values, (batch, ops.shape(values)[-1]))
            return ops.take_along_axis(wide, order, axis=1)

        unmasked = ops.cast(self.mask, "int32")
        mask = ops.cast(rows(unmasked), "bool")
        packed_to = ops.cumsum(unmasked, axis=1) - 1
        return Sequence(take_positions(self.states, order), mask, rows(self.positions), rows(self.counts), self.spans, packed_to)


def text_sequence(states: Tensor, attention_mask: Tensor) -> Sequence:
    """Token states `[batch, text, dim]` with their attention mask `[batch, text]`."""
    length = ops.shape(states)[1]
    ones = ops.ones((length,), "int32")
    spans = {"cls": (0, 1), "text": (0, length)}
    return Sequence(states, ops.cast(attention_mask, "bool"), ops.arange(length), ones, spans)


def frame_sequence(states: Tensor, num_frames: Tensor, max_frames: int) -> Sequence:
    """Frame states `[batch, frames, dim]` of videos with `num_frames` `[batch]` real ones, trimmed from `max_frames`."""
    length = ops.shape(states)[1]
    mask = ops.arange(length) < ops.expand_dims(num_frames, -1)
    counts = ops.where(ops.equal(ops.arange(length), length - 1), max_frames + 1 - length, 1)
    return Sequence(states, mask, ops.arange(length), counts, {"frames": (0, length)})


def joined(first: Sequence, second: Sequence, second_position: int) -> Sequence:
    """Two sequences as one.

    Args:
        first, second: with spans of different names.
        second_position: rotary position of the second's first state.
    """
    length = ops.shape(first.states)[1]
    spans = first.spans | {name: (length + start, length + stop) for name, (start, stop) in second.spans.items()}
    return Sequence(
        ops.concatenate([first.states, ops.cast(second.states, first.states.dtype)], axis=1),
        ops.concatenate([first.mask, second.mask], axis=1),
        ops.concatenate([first.positions, second_position + second.positions], axis=0),
        ops.concatenate([first.counts, second.counts], axis=0),
        spans,
    )
