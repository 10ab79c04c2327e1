"""Tags of neighbours, by hand and on toy videos."""

import numpy as np
import pytest
import toys

from benchmarks import neighbour_tags
from vsim_tf.evaluation.raw_videos import sample_raw_videos
from vsim_tf.records.example import Example


@pytest.fixture
def data(tmp_path):
    for name in ("pointwise", "test_a"):
        (tmp_path / "data" / name).mkdir(parents=True)
    toys.write_records(tmp_path / "data/pointwise/a.tfrecords", toys.random_videos(300))
    (tmp_path / "data/tag_list.txt").write_text("3\n10\n")
    return tmp_path / "data"


def test_videos_have_the_tags_of_their_neighbours(data, tmp_path):
    neighbour_tags.main(str(data), str(tmp_path / "more"), str(toys.DIM))
    before, after = (
        sample_raw_videos([str(path)], toys.DIM)
        for path in (data / "pointwise/a.tfrecords", tmp_path / "more/pointwise/pointwise.tfrecords")
    )
    assert after.ids == before.ids and not (tmp_path / "more/test_a").exists()
    nearest = neighbour_tags.neighbours(before, np.array([3, 10]))
    for row, tags in enumerate(after.tags):
        own, of_neighbours = before.tags[row], {tag for video in nearest[row] for tag in before.tags[video]}
        assert row not in nearest[row] and set(tags) == {*own, *of_neighbours}


def test_a_tag_is_added_once():
    examples = [Example() for _ in range(3)]
    for example, tags in zip(examples, [[1, 2], [2, 3], [3]], strict=True):
        neighbour_tags.tags(example).extend(tags)
    records = neighbour_tags.with_neighbours_tags(examples, np.array([[1, 2], [0, 2], [0, 1]]))
    found = [list(neighbour_tags.tags(Example.FromString(record))) for record in records]
    assert found == [[1, 2, 3], [2, 3, 1], [3, 1, 2]]
