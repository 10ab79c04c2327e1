"""How text and frames become one sequence."""

from vsim_tf.components import Component
from vsim_tf.models.sequence import Sequence, joined


class Layout(Component):
    """Order of text and frames in a single-stream model."""

    def __call__(self, text: Sequence, frames: Sequence, text_length: int, max_frames: int) -> Sequence:
        """One sequence with the spans "text" and "frames".

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
