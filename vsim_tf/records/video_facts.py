"""How long the videos of some files are, by a look at the first ones of each."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.records.schema import BYTES_PER_FRAME_VALUE, FRAME_FEATURE, TITLE
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import parse_example

LOOKED_AT = 2000
"""Videos of each file."""
COVERED = 0.95
"""Share of the videos that a length is to cover."""


class VideoFacts(NamedTuple):
    """Lengths of videos.

    Attributes:
        frame_dim: feature dimension of the frames of most videos.
        frames, characters: what 95 % of the videos, and of their titles, do not exceed.
    """

    frame_dim: int
    frames: int
    characters: int


def video_facts(files: Sequence[str], texts: Sequence[str] = (TITLE,), frames_key: str = FRAME_FEATURE) -> VideoFacts:
    """Lengths of the videos of record files.

    Args:
        files: the record files.
        texts: keys of the texts whose characters are counted together.
        frames_key: that of features, or of pictures, whose dimension means nothing.

    Raises:
        UserError: a damaged record, or no video has a frame.
    """
    dims, frames, characters = [], [], []
    for file in files:
        for number, (_, data) in enumerate(itertools.islice(read_records(file), LOOKED_AT)):
            feature = parse_example(data, f"{file}, record {number}")
            found = feature[frames_key].bytes_list.value
            dims += [len(frame) // BYTES_PER_FRAME_VALUE for frame in found[:1]]
            frames.append(len(found))
            characters.append(
                sum(len(text.decode("utf-8", "replace")) for key in texts for text in feature[key].bytes_list.value)
            )
    if not any(dims):
        raise UserError(f"{', '.join(files)}: no video has a frame", ["frame_embedding_size"])
    return VideoFacts(int(np.bincount(dims).argmax()), _covering(frames), _covering(characters))


def _covering(lengths: Sequence[int]) -> int:
    return int(np.quantile(lengths, COVERED, method="higher"))
