"""Batches of several data sets: phases, and videos whose tags are not known."""

import numpy as np
import pytest
import toys
from script_flags import refused

from vsim_tf.input.pipeline import TrainingData, numbered_batches
from vsim_tf.records.schema import UNTAGGED
from vsim_tf.records.videos import video_record

FORM = toys.batch_format()


def videos(folder, name, numbers) -> str:
    """A file of videos, all of which have the first tag."""
    frames = np.ones((2, toys.DIM), "float16")
    return toys.write_records(folder / name, [video_record(f"{name[0]}{i}", "天", frames, tags=[3]) for i in numbers])


@pytest.fixture
def files(tmp_path):
    """Five videos with tags, three of pairs, and two files of test sets, the second of which repeats two of the first."""
    return {
        "pointwise": videos(tmp_path, "pointwise", range(5)),
        "pairwise": videos(tmp_path, "q-pairwise", range(3)),
        "test_a": videos(tmp_path, "test_a", range(4)),
        "test_b": videos(tmp_path, "test_b", [2, 7, 0, 8]),
    }


def epoch_of(data, steps, start=0):
    """Ids and first tags of each batch."""
    found = list(data.batches(start).take(steps))
    ids = [[video.decode() for video in batch.ids.numpy()] for batch in found]
    return ids, [batch.targets["tags"].numpy() for batch in found]


def test_sets_in_turn(files):
    """Two, one and three batches; the test sets have six videos, and none of them has tags."""
    tests = [files["test_a"], files["test_b"]]
    phases = [(0, [[files["pointwise"]], [files["pairwise"]], tests])]
    data = TrainingData(list(files.values()), "videos", FORM, 2, 1, phases=phases, untagged=tests)
    ids, tags = epoch_of(data, 6)
    assert ["".join(sorted({video[0] for video in batch})) for batch in ids] == ["p", "p", "q", "t", "t", "t"]
    assert sorted(video for batch in ids[3:] for video in batch) == ["t0", "t1", "t2", "t3", "t7", "t8"]
    assert all((of_batch == [1, 0, 0, 0, 0]).all() for of_batch in tags[:3])
    assert all((of_batch == UNTAGGED).all() and of_batch.dtype == np.int8 for of_batch in tags[3:])
    assert data.num_records == 5 + 3 + 6
    assert data.ended_epoch(6) == range(6)


def test_sets_together_and_then_one_alone(files):
    """Four batches of eight videos an epoch; from step 6 on one of three."""
    both = [files["pointwise"], files["pairwise"]]
    data = TrainingData(both, "videos", FORM, 2, 1, phases=[(0, [both]), (6, [both[1:]])])
    ids, _ = epoch_of(data, 9)
    assert len({video for batch in ids[:4] for video in batch}) == 8
    assert any(len({video[0] for video in batch}) == 2 for batch in ids[:4])  # shuffled together
    assert {video[0] for batch in ids[6:] for video in batch} == {"q"}
    assert [data.ended_epoch(step) for step in (4, 6, 7, 8)] == [range(4), range(4, 6), range(6, 7), range(7, 8)]
    for start in range(9):
        assert epoch_of(data, 9 - start, start)[0] == ids[start:]


def test_without_phases_all_files_are_shuffled_together(files):
    names = [files["pointwise"], files["pairwise"]]
    plain = epoch_of(TrainingData(names, "videos", FORM, 2, 1), 8)[0]
    assert plain == epoch_of(TrainingData(names, "videos", FORM, 2, 1, phases=[(0, [names])]), 8)[0]


def test_tags_of_some_videos_of_a_batch(files):
    """Test sets in the same part as others."""
    names = [files["pointwise"], files["test_a"]]
    data = TrainingData(names, "videos", FORM, 9, 1, phases=[(0, [names])], untagged=names[1:])
    (ids,), (tags,) = epoch_of(data, 1)
    for video, row in zip(ids, tags.tolist(), strict=True):
        assert row == ([UNTAGGED] * 5 if video[0] == "t" else [1, 0, 0, 0, 0])


def test_a_part_has_a_batch(files):
    """Six different videos in the test sets, not eight."""
    tests = [files["test_a"], files["test_b"]]
    with refused("--batch_size=7: more than the 6 videos to train on"):
        TrainingData(tests, "videos", FORM, 7, 1, untagged=tests)


@pytest.mark.parametrize(
    ("limit", "sizes"), [(None, [2, 2, 1]), (5, [2, 2, 1]), (4, [2, 2]), (3, [2, 1]), (1, [1]), (99, [2, 2, 1])]
)
def test_some_of_the_first_videos(files, limit, sizes):
    found = list(numbered_batches([files["pointwise"]], "videos", FORM, 2, limit=limit))
    assert [len(numbers) for numbers, _ in found] == sizes
    assert [int(number) for numbers, _ in found for number in numbers] == list(range(sum(sizes)))
    shards = [list(numbered_batches([files["pointwise"]], "videos", FORM, 2, (index, 2), limit)) for index in range(2)]
    assert sum(len(numbers) for shard in shards for numbers, _ in shard) == sum(sizes)


@pytest.mark.parametrize("spread", [1, 3, 1000, None])
def test_records_that_are_evenly_spread(files, spread):
    """Numbers of the records, and the videos are those of the numbers."""
    whole = {int(n): video for numbers, batch in numbered_batches([files["pointwise"]], "videos", FORM, 2)
             for n, video in zip(numbers.numpy(), batch.ids.numpy(), strict=True)}  # fmt: skip
    found = list(numbered_batches([files["pointwise"]], "videos", FORM, 2, spread=spread))
    numbers = np.sort(np.concatenate([numbers for numbers, _ in found]))
    expected = np.unique(np.linspace(0, len(whole) - 1, min(spread or 1000, len(whole))).astype(int))
    read = [video for _, batch in found for video in batch.ids.numpy()]
    assert numbers.tolist() == expected.tolist() and set(read) == {whole[number] for number in expected.tolist()}
