"""Titles and small pictures of some videos, as their records have them."""

import base64
import logging
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from vsim_tf.ensemble.page.blocks import ShownVideo
from vsim_tf.errors import UserError
from vsim_tf.features.pictures import decode_picture, encode_jpeg, resized
from vsim_tf.records.schema import FRAME_PICTURE, TITLE
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import Features, parse_example, read_id
from vsim_tf.text.tokenizers import decode_titles

PICTURE_SIZE, PICTURE_QUALITY = 96, 70
"""Pixels of the shorter side, and JPEG quality: about 3 KB a picture."""
LONGEST_TITLE = 200
"""Characters."""

logger = logging.getLogger(__name__)


def shown_videos(files: Iterable[str], ids: Collection[str]) -> dict[str, ShownVideo]:
    """Reads videos of these ids, as far as the files hold them.

    Args:
        files: of video records; they are read until all ids are found.
        ids: of the videos.

    Returns:
        id -> video; one that is not found, or whose record is damaged, has an id alone.
    """
    found = {video: ShownVideo(video) for video in ids}
    missing = set(ids)
    try:
        for file in files:
            for number, (_, data) in enumerate(read_records(file)):
                where = f"{file}, record {number}"
                feature = parse_example(data, where)
                if (video := read_id(feature, where)) in missing:
                    missing.remove(video)
                    found[video] = ShownVideo(video, _title(feature), _picture(feature, where))
                if not missing:
                    return found
    except UserError as error:
        logger.warning(f"The page lacks titles, {len(missing)} in number: {error}", extra={"fields": error.fields})
    return found


def _title(feature: Features) -> str:
    """The title without control characters, which no page may hold, and cut where it is very long."""
    text = "".join(decode_titles(feature[TITLE].bytes_list.value[:1] if TITLE in feature else []))
    text = "".join("\ufffd" if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in text.strip())
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"


def _picture(feature: Features, where: str) -> str:
    """The picture in the middle of the video, small; empty where there is none that can be read."""
    pictures: Sequence[bytes] = feature[FRAME_PICTURE].bytes_list.value if FRAME_PICTURE in feature else ()
    if not pictures:
        return ""
    try:
        pixels = decode_picture(pictures[len(pictures) // 2], where)
        small = resized(pixels, min(PICTURE_SIZE, *pixels.shape[:2]), where)
    except UserError as error:
        logger.warning(f"The page lacks a picture: {error}")
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(small, PICTURE_QUALITY)).decode()}"
