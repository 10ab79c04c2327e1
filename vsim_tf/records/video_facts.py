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


def video_facts(files: Sequence[str]) -> VideoFacts:
    """Lengths of the videos of record files with frame features.

    Raises:
        UserError: a damaged record, or no video has a frame.
    """
    dims, frames, characters = [], [], []
    for file in files:
        for number, (_, data) in enumerate(itertools.islice(read_records(file), LOOKED_AT)):
            feature = parse_example(data, f"{file}, record {number}")
            found = feature[FRAME_FEATURE].bytes_list.value
            dims += [len(frame) // BYTES_PER_FRAME_VALUE for frame in found[:1]]
            frames.append(len(found))
            characters.append(sum(len(title.decode("utf-8", "replace")) for title in feature[TITLE].bytes_list.value))
    if not any(dims):
        raise UserError(f"{', '.join(files)}: no video has a frame", ["frame_embedding_size"])
    return VideoFacts(int(np.bincount(dims).argmax()), _covering(frames), _covering(characters))


def _covering(lengths: Sequence[int]) -> int:
    return int(np.quantile(lengths, COVERED, method="higher"))
