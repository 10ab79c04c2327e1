"""A linear model next to networks in one `Model`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.inference.linear_model import LinearModel
from vsim_tf.input.raw_video import RawVideo
from vsim_tf.input.video_form import VideoForm


class LinearForm(NamedTuple):
    """How videos are read for a linear model alone."""

    frame_embedding_size: int
    text_form: str = "single"
    picture: None = None
    classes: None = None
    categories: bool = False


class LinearMember:
    """A part of a `Model` that is a linear model; attributes are those of `vsim_tf.inference.member.Member`.

    Args:
        path: file of the model.
        weight: of its embeddings in the model's sum.
        form: how videos are read by a network next to it, which will do for it too; None: there is none.

    Raises:
        UserError: the file cannot be used.
    """

    max_frames = 0
    """All frames are averaged, none is sampled."""
    videos = 1
    classes: tuple[str, ...] = ()
    precision = "float32"

    def __init__(self, path: str, weight: float = 1.0, form: VideoForm | None = None):
        self.checkpoints, self.weight = (path,), weight
        self.model = LinearModel.load(path)
        self.name, self.dim, self.frame_dim = self.model.name, self.model.dim, self.model.frame_dim
        self.format = form or LinearForm(self.frame_dim)

    def embeddings(
        self, videos: Sequence[RawVideo], batch_size: int, name: Callable[[int], str], advance: Callable[[int], object]
    ) -> np.ndarray:
        """Embeddings, `[videos, dim]` float64, not normalised; arguments are those of `Member.embeddings`."""
        del batch_size, name
        means = np.zeros((len(videos), self.frame_dim), np.float32)
        for row, video in zip(means, videos, strict=True):
            if len(video.frames):
                row[:] = np.asarray(video.frames).view(np.float16).mean(axis=0, dtype=np.float32)
        advance(len(videos))
        return self.model.embed([video.texts.title for video in videos], means).astype(np.float64)

    @property
    def parameters(self) -> int:
        """Numbers of the model."""
        return self.model.parameters

    @property
    def weight_bytes(self) -> int:
        """Bytes of them."""
        return 4 * self.parameters
