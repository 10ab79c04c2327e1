"""Categories as tags."""

import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.records.category_tags import category_tag, with_categories, without_categories
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record


def test_categories_are_tags_below_zero(tmp_path):
    frames = np.zeros((1, 2), np.float16)
    records = [video_record(str(n), "天", frames, tags=[5], category=category) for n, category in enumerate([3, None, 0, 3])]
    write_records(tmp_path / "videos.tfrecords", records)
    found = with_categories(np.array([5, 9]), [str(tmp_path / "videos.tfrecords")])
    assert found.tolist() == [category_tag(3), category_tag(0), 5, 9] == [-4, -1, 5, 9] and found.dtype == np.int64
    assert without_categories(found).tolist() == [5, 9]


def test_tags_that_may_be_categories_are_refused():
    with pytest.raises(UserError, match="tag -2 of the tag list: tags from 0 on are needed"):
        with_categories(np.array([-2, 9]), [])
