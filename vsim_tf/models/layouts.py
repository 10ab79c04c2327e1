"""How text and frames become one sequence."""

from typing import ClassVar

from vsim_tf.components import Component
from vsim_tf.lazy import ops
from vsim_tf.models.sequence import Sequence, joined


class Layout(Component):
    """Order of text and frames in a single-stream model.

    Attributes:
        cls_first: whether [CLS] stands first.
    """

    cls_first: ClassVar[bool] = True

    def __call__(self, text: Sequence, frames: Sequence, text_length: int, max_frames: int) -> Sequence:
        """One sequence with the spans "cls", "text" and "frames".

        Args:
            text, frames: states of both, possibly trimmed.
            text_length, max_frames: how long each is without trimming.
        """
        raise NotImplementedError


class TextFirst(Layout, name="text_first"):
    """[CLS] title [SEP] padding, then frames; rotary positions run on behind the padded text (docs/facts.md 3.4, 3.5)."""

    def __call__(self, text: Sequence, frames: Sequence, text_length: int, max_frames: int) -> Sequence:
        del max_frames
        return joined(text, frames, text_length)


class ClsFirst(Layout, name="cls_first"):
    """[CLS], frames, then the other tokens: [CLS] frames [SEP] title [SEP] (docs/facts_rank1.md 2)."""

    def __call__(self, text: Sequence, frames: Sequence, text_length: int, max_frames: int) -> Sequence:
        del text_length
        cls, tokens = text.span("cls"), text.part("text", 1, ops.shape(text.states)[1])
        return joined(joined(cls, frames, 1), tokens, max_frames)


class FramesFirst(Layout, name="frames_first"):
    """Frames, then [CLS] title [SEP] (docs/facts_rank1.md 2)."""

    cls_first = False

    def __call__(self, text: Sequence, frames: Sequence, text_length: int, max_frames: int) -> Sequence:
        del text_length
        return joined(frames, text, max_frames)
