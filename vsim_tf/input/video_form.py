"""What decides how a video is read, before it becomes a part of a batch."""

from typing import Protocol

from vsim_tf.features.pictures import PictureSizes
from vsim_tf.records.classes import ClassTable


class VideoForm(Protocol):
    """How a model reads videos; a `BatchFormat` is one."""

    @property
    def frame_embedding_size(self) -> int:
        """Feature dimension."""

    @property
    def text_form(self) -> str:
        """That of `TextInput`."""

    @property
    def picture(self) -> PictureSizes | None:
        """Sizes of pictures; None: features are read."""

    @property
    def classes(self) -> ClassTable | None:
        """Of the videos; None: they are not read."""

    @property
    def categories(self) -> bool:
        """Those of the videos are tags, too."""
