"""Categories of videos as tags of the classifiers."""

from collections.abc import Iterator, Sequence

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.schema import CATEGORY_ID
from vsim_tf.records.videos import parse_example

MAX_VIDEOS = 100_000
"""Videos whose categories are looked at: a category that is in none of so many, evenly spread ones has too few to be learnt."""


def category_tag(category: int) -> int:
    """The tag that stands for a category: −1 − category, which no tag list of integers from 0 on has."""
    return -1 - category


def with_categories(tags: np.ndarray, files: Sequence[str]) -> np.ndarray:
    """Tags and those of the categories that videos have, `[tags]` int64, ascending.

    Args:
        tags: of the tag list, ascending.
        files: TFRecord files of videos; of more than `MAX_VIDEOS`, so many are looked at.

    Raises:
        UserError: a tag below 0, which may be a category's.
        RecordError: a damaged record.
    """
    if len(tags) and tags[0] < 0:
        raise UserError(f"tag {tags[0]} of the tag list: tags from 0 on are needed where categories are tags, too", ["tag_file"])
    return np.union1d(tags, np.fromiter(map(category_tag, set(_categories(files))), np.int64))


def without_categories(tags: np.ndarray) -> np.ndarray:
    """The tags of the tag list alone."""
    return tags[tags >= 0]


def _categories(files: Sequence[str]) -> Iterator[int]:
    index = RecordIndex(files)
    for where, data in index.named(index.spread(MAX_VIDEOS)):
        yield from parse_example(data, where)[CATEGORY_ID].int64_list.value
