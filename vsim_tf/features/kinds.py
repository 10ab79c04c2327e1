"""What an extraction writes: records of features, records of pictures, or a zip of features."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from vsim_tf.features.feature_zips import as_float16, write_feature_zip
from vsim_tf.features.sources import Frames
from vsim_tf.io.files import output_file
from vsim_tf.records import schema
from vsim_tf.records.tfrecords import append_records
from vsim_tf.records.videos import parse_example, video_record
from vsim_tf.types import PathLike


class Described(Protocol):
    """The texts of a video and its class, as `vsim_tf.records.annotations.Annotation` has them; "" where there is none.

    None in the place of tags leaves the key out.
    """

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def asr(self) -> str: ...
    @property
    def ocr(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def tags(self) -> Sequence[int] | None: ...


class Video(NamedTuple):
    """A video of which only the file is known."""

    id: str
    title: str = ""
    asr: str = ""
    ocr: str = ""
    category: str = ""
    tags: Sequence[int] | None = None


class Kind(NamedTuple):
    """A kind of output.

    Attributes:
        ending: of the file's name.
        pictures: whether frames go into it as pictures, so that no tower is needed.
        write: makes the output of the path and the records of all videos.
    """

    ending: str
    pictures: bool
    write: Callable[[PathLike, Iterable[bytes]], None]

    def record(self, video: Described, frames: Frames, features: np.ndarray | None) -> bytes:
        """The record of a video.

        Args:
            video: its texts.
            frames: its frames, as pictures or with the text that was read off them.
            features: `[frames, dim]`; None in records of pictures.

        Raises:
            UserError: features beyond float16's range.
        """
        return video_record(
            video.id,
            video.title,
            None if features is None else as_float16(features, video.id),
            asr_text=video.asr,
            tags=video.tags,
            category=int(video.category) if video.category else None,
            ocr_text=video.ocr or frames.ocr_text,
            pictures=frames.encoded if self.pictures else None,
        )


def _write_records(path: PathLike, records: Iterable[bytes]) -> None:
    with output_file(path) as file:
        append_records(file, records)


def _write_zip(path: PathLike, records: Iterable[bytes]) -> None:
    write_feature_zip(path, (_id_and_features(record, str(path)) for record in records))


def _id_and_features(record: bytes, where: str) -> tuple[str, np.ndarray]:
    feature = parse_example(record, where)
    frames = feature[schema.FRAME_FEATURE].bytes_list.value
    (video_id,) = feature[schema.ID].bytes_list.value
    return video_id.decode(), np.frombuffer(b"".join(frames), "<f2").reshape(len(frames), len(frames[0]) // 2 if frames else 0)


KINDS = {
    "features": Kind(".tfrecords", False, _write_records),
    "pictures": Kind(".tfrecords", True, _write_records),
    "zip": Kind(".zip", False, _write_zip),
}
