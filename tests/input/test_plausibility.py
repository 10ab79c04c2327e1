"""What no model can learn from is refused, what is only odd is counted."""

import numpy as np
import pytest
import toys

from vsim_tf.errors import UserError
from vsim_tf.input.plausibility import check_sample
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.videos import pair_record, video_record

RAMP = np.arange(2 * toys.DIM).reshape(2, toys.DIM)


def video(title="天", frames=RAMP, tags=(3,)):
    return video_record("7", title, frames, tags=tags)


def check(folder, contents, size=100, kind="videos", **options):
    """A check of two files that hold the same records."""
    index = RecordIndex([toys.write_records(folder / name, contents) for name in ("a.tfrecords", "b.tfrecords")])
    return check_sample(index, kind, toys.batch_format(), size, "tag_list.txt", "vocab.txt", **options)


def test_what_is_counted(tmp_path):
    records = [
        video(tags=[3, 4, 700]), video("", tags=[4]), video("xyz", tags=None), video("天x", RAMP[:0]), video(" \t", RAMP * 0),
    ]  # fmt: skip
    found = check(tmp_path, records)
    assert found == (10, 12, 8, 6, 4, 16, True, False)
    expected = "10 videos looked at: 66.7% of their tags are in the tag list, 40.0% have words of the vocabulary, 1.6 frames each"
    assert str(found) == expected


def test_a_sample_is_spread_over_all_files(tmp_path):
    found = check(tmp_path, [video(tags=[3])] + [video(tags=[3, 4])] * 98 + [video(tags=[3, 10, 11])], size=4)
    assert (found.videos, found.tags, found.known_tags) == (4, 8, 6)  # the first and the last record, and two between


USELESS = {
    "no known tag": ([video(tags=[4]), video(tags=[5, 6])], "6 other tags", {}),
    "no tag": ([video(tags=None), video(tags=[])], "none has a tag, so", {"tags_needed": True}),
    "no title": ([video(""), video(" ")], "none has a title;", {}),
    "no known word": ([video("xyz"), video("")], "none has a title with a word of vocab.txt", {}),
    "zeros": ([video(frames=RAMP * 0), video(frames=-0.0 * RAMP), video(frames=RAMP[:0])], "all 8 frames are zero", {}),
    "one frame": ([video(frames=RAMP[[1, 1]]), video(frames=RAMP[[1]])], "all 6 frames are equal", {}),
}


@pytest.mark.parametrize("case", USELESS)
def test_what_is_refused(tmp_path, case):
    records, message, options = USELESS[case]
    with pytest.raises(UserError) as caught:
        check(tmp_path, records, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'a.tfrecords'}, {tmp_path / 'b.tfrecords'}: of ")
    assert ("tag_list.txt" in str(caught.value)) == ("tag" in case)
    check(tmp_path, [*records, video()], **options)  # one useful video is enough


def test_pairs_are_looked_at_on_both_sides(tmp_path):
    pairs = [pair_record(video("", tags=[4]), video(tags=[3, 4]), 0.5)]
    assert check(tmp_path, pairs, kind="pairs")[:5] == (4, 6, 2, 2, 2)
    with pytest.raises(UserError, match="of 4 videos looked at, none has a tag of tag_list.txt"):
        check(tmp_path, [pair_record(video(tags=[4]), video(tags=[4]), 0.5)], kind="pairs")


def test_videos_without_tags_or_frames_may_be_evaluated(tmp_path):
    assert "no tags" in str(check(tmp_path, [video(frames=RAMP[:0], tags=None)]))
