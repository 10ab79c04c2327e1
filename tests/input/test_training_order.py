"""The order of training batches: epochs, workers, shards, lengths and masks."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import toys
from script_flags import refused
from toy_batches import one_batch, same, video

from vsim_tf.errors import RecordError, UserError
from vsim_tf.input import order, pipeline, record_lengths
from vsim_tf.input.decoding import decode
from vsim_tf.input.pipeline import TrainingData, numbered_batches
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import video_record
from vsim_tf.tasks.masked_tokens import MaskedTokens


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    videos = toys.random_videos(23)
    return [toys.write_records(folder / f"{i}", videos[start:end]) for i, (start, end) in enumerate([(0, 9), (9, 12), (12, 23)])]


PADDED = toys.batch_format()
TRIMMED = dataclasses.replace(PADDED, trim_text=True, trim_frames=True)
FORMS = pytest.mark.parametrize("form", [PADDED, TRIMMED], ids=["padded", "trimmed"])


def training_data(files, seed=3, batch_size=4, form=PADDED, **changes):
    return TrainingData(files, "videos", form, batch_size, seed, **{"corruptions": [MaskedTokens().corrupt]} | changes)


def take(data, count, start=0):
    return list(data.batches(start).take(count))


@FORMS
def test_batches_from_a_step_on_are_those_that_follow(files, form):
    data = training_data(files, form=form)
    assert data.ended_epoch(5) == range(5)  # of 23 records, 3 are dropped in each epoch
    whole = take(data, 13)
    for start in (0, 1, 4, 5, 6, 10):  # inside, at and behind the end of an epoch
        continued = take(training_data(files, form=form), 13 - start, start)
        assert all(same(a, b) for a, b in zip(whole[start:], continued, strict=True)), start


def test_the_order_does_not_depend_on_the_seed_of_the_process(files):
    first, second = [], []
    for seed, batches in ((1, first), (2, second)):
        tf.random.set_seed(seed)
        batches += take(training_data(files), 7)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    tf.random.set_seed(3)
    before = tf.random.uniform((3,))
    tf.random.set_seed(3)
    take(training_data(files), 1)
    assert same(before, tf.random.uniform((3,)))  # nor does it change that seed


@FORMS
def test_an_epoch_holds_no_video_twice_and_each_has_its_own_order(files, form, monkeypatch):
    monkeypatch.setattr(order, "WINDOW_BATCHES", 2)
    batches = take(training_data(files, form=form), 15)
    epochs = [[video_id for batch in batches[start : start + 5] for video_id in batch.ids.numpy()] for start in (0, 5, 10)]
    assert [len(set(epoch)) for epoch in epochs] == [20, 20, 20]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    in_file_order = sorted(epochs[0], key=lambda video_id: int(video_id[1:]))
    assert epochs[0] != in_file_order
    assert len(set().union(*epochs)) > 20  # the dropped ones are others each time


def test_videos_of_similar_length_share_a_batch(tmp_path, monkeypatch):
    """In windows of two batches, no video of the one is longer than any of the other."""
    monkeypatch.setattr(order, "WINDOW_BATCHES", 2)
    frames = np.random.default_rng(0).standard_normal((9, 100)).astype("float16")
    lengths = [3, 1, 4, 1, 0, 9, 2, 6, 3, 5, 3]
    records = [video_record(f"v{i}", "天" * (i % 5), frames[:count]) for i, count in enumerate(lengths)]
    files = [toys.write_records(tmp_path / "records", records)]
    form = dataclasses.replace(PADDED, frame_embedding_size=100, max_frames=8, trim_frames=True)
    first, second = take(training_data(files, form=form), 2)
    short, long = sorted((first.num_frames.numpy(), second.num_frames.numpy()), key=max)
    assert short.max() <= long.min()
    for batch in (first, second):
        assert batch.frames.shape[1] == max(batch.num_frames.numpy().max(), 1)
        assert batch.input_ids.shape[1] == toys.TEXT
    numbered = list(numbered_batches(files, "videos", form, 4))
    numbers = np.concatenate([numbers for numbers, _ in numbered])
    assert [lengths[n] for n in numbers] == [*sorted(lengths[:8]), *sorted(lengths[8:])]
    assert [f"v{n}".encode() for n in numbers] == [i for _, batch in numbered for i in batch.ids.numpy()]


@FORMS
def test_rows_of_all_workers_are_the_batch_of_one(files, form):
    """Masks included, whatever each worker trims."""
    form = dataclasses.replace(form, trim_frames=False)
    cuts = [(0, 1), (1, 3), (3, 4)]
    workers = [list(training_data(files, form=form).batches(3, rows).take(9)) for rows in cuts]
    for whole, *parts in zip(take(training_data(files, form=form), 9, start=3), *workers, strict=True):
        assert [len(part.ids) for part in parts] == [last - first for first, last in cuts]
        for (first, last), part in zip(cuts, parts, strict=True):
            text = part.input_ids.shape[1]
            assert text == part.attention_mask.numpy().sum(axis=1).max() or not form.trim_text
            expected = tf.nest.map_structure(lambda x, rows=slice(first, last): x[rows], whole)
            cut = {name: getattr(expected, name)[:, :text] for name in ("input_ids", "attention_mask")}
            targets = expected.targets | {"tokens": expected.targets["tokens"][:, :text]}
            assert same(part, expected._replace(targets=targets, **cut))


def test_other_rows_are_not_decoded(files, monkeypatch):
    decoded = []
    monkeypatch.setattr(pipeline, "decode", lambda records, *args: decoded.append(len(records)) or decode(records, *args))
    list(training_data(files, form=TRIMMED).batches(0, (1, 3)).take(4))
    assert set(decoded) == {2}


@FORMS
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_hold_the_batches_of_one_process(files, form, count, monkeypatch):
    monkeypatch.setattr(order, "WINDOW_BATCHES", 2)
    whole = list(numbered_batches(files, "videos", form, 4))
    for index in range(count):
        shard = list(numbered_batches(files, "videos", form, 4, shard=(index, count)))
        assert same(shard, whole[index::count])
        assert same(list(toys.evaluation_batches(files, "videos", form, 4, (index, count))), [batch for _, batch in shard])


def test_batches_of_other_shards_are_not_decoded(files, monkeypatch):
    decoded = []
    monkeypatch.setattr(pipeline, "decode", lambda records, *args: decoded.append(len(records)) or decode(records, *args))
    list(numbered_batches(files, "videos", TRIMMED, 4, shard=(1, 3)))
    assert decoded == [4, 4]  # batches number 1 and 4 of 6


@pytest.mark.parametrize(("multiple", "text", "frames"), [(0, 5, 3), (1, 5, 3), (2, 6, 4), (3, 6, 3), (5, 5, 4), (100, 8, 4)])
def test_lengths_are_rounded_up(tmp_path, multiple, text, frames):
    form = dataclasses.replace(TRIMMED, length_multiple=multiple)
    batch = one_batch(tmp_path, [video("1", "天", 1), video("2", "天地玄", 3)], form)
    assert batch.input_ids.shape == batch.attention_mask.shape == (2, text)
    assert batch.frames.shape == (2, frames, toys.DIM)
    padded = one_batch(tmp_path, [video("1", "天", 1), video("2", "天地玄", 3)])
    np.testing.assert_array_equal(batch.frames, padded.frames[:, :frames])
    np.testing.assert_array_equal(batch.input_ids, padded.input_ids[:, :text])
    assert not batch.attention_mask[:, 5:].numpy().any()


def test_the_end_of_an_epoch_comes_from_all_files(tmp_path):
    """Of 20 files, whatever part of an epoch has a share of each."""
    names = [f"{file:02d}-{number}" for file in range(20) for number in range(30)]
    files = [toys.write_records(tmp_path / str(i), [video(n) for n in names[i * 30 : (i + 1) * 30]]) for i in range(20)]
    data = TrainingData(files, "videos", PADDED, 30, seed=1)
    epoch = [[video_id.decode() for video_id in batch.ids.numpy()] for batch in take(data, 20)]
    assert sorted(name for batch in epoch for name in batch) == sorted(names)
    for part in (epoch[:3], epoch[-3:]):
        of_file = np.bincount([int(name[:2]) for batch in part for name in batch], minlength=20)
        assert of_file.max() <= 15 and np.count_nonzero(of_file) >= 18  # 4.5 are expected of each of 20


def test_titles_are_read_once_to_sort_by_length(files, monkeypatch):
    counted = []
    of_record = record_lengths.decode_texts
    monkeypatch.setattr(record_lengths, "decode_texts", lambda *args: counted.append(len(args[0])) or of_record(*args))
    data = training_data(files, form=TRIMMED)
    assert not take(data, 0) and not counted
    take(data, 40)
    assert sum(counted) == 23


def test_without_buckets_trimmed_batches_have_the_order_of_padded_ones(files):
    padded, trimmed = (take(training_data(files, batch_size=2, form=form, bucket=False), 9) for form in (PADDED, TRIMMED))
    assert [b.ids.numpy().tolist() for b in trimmed] == [b.ids.numpy().tolist() for b in padded]
    assert any(b.frames.shape[1] < toys.FRAMES or b.input_ids.shape[1] < toys.TEXT for b in trimmed)


def test_another_seed_gives_another_order_and_other_masks(files):
    first, second = (take(training_data(files, seed=seed), 5) for seed in (3, 4))
    assert [b.ids.numpy().tolist() for b in first] != [b.ids.numpy().tolist() for b in second]
    whole = [take(training_data(files, seed=seed, batch_size=23), 1)[0] for seed in (3, 4)]
    masked = [{i: row.tolist() for i, row in zip(b.ids.numpy(), b.targets["tokens"].numpy(), strict=True)} for b in whole]
    assert masked[0] != masked[1]


def test_masks_differ_from_epoch_to_epoch(files):
    first, second = take(training_data(files, batch_size=23), 2)
    masked = [
        {i: row.tolist() for i, row in zip(b.ids.numpy(), b.targets["tokens"].numpy(), strict=True)} for b in (first, second)
    ]
    assert masked[0] != masked[1]


def test_words_are_masked_only_where_asked_for(files):
    masked, plain = (take(training_data(files, corruptions=c, batch_size=23), 1)[0] for c in ([MaskedTokens().corrupt], []))
    assert plain.targets.keys() == {"tags"}
    tokens = masked.targets["tokens"].numpy()
    chosen = tokens != IGNORED_TOKEN
    assert chosen.any()
    np.testing.assert_array_equal(np.where(chosen, tokens, masked.input_ids), plain.input_ids)
    assert same([masked.ids, masked.frames, masked.targets["tags"]], [plain.ids, plain.frames, plain.targets["tags"]])


def test_pairs_are_shuffled_as_pairs(tmp_path):
    file = toys.write_records(tmp_path / "pairs", toys.random_pairs(8))
    data = TrainingData([file], "pairs", toys.batch_format(), 8, seed=1)
    batch = next(iter(data.batches()))
    first, second = ([int(i[1:]) for i in side.ids.numpy()] for side in (batch.first, batch.second))
    assert [i + 1 for i in first] == second
    assert sorted(first) == list(range(0, 16, 2)) != first


def test_too_few_records_for_a_batch(files):
    with refused("--batch_size=24: more than the 23 videos"):
        training_data(files, batch_size=24)


def test_files_without_a_record(tmp_path):
    empty = [toys.write_records(tmp_path / name, []) for name in "ab"]
    with pytest.raises(UserError, match=f"{empty[0]}, {empty[1]}: no records"):
        training_data(empty)
    with pytest.raises(UserError, match=f"{empty[0]}: no records"):
        toys.evaluation_batches(empty[:1], "videos", toys.batch_format(), 4)


def test_a_truncated_training_file_is_refused_before_training(tmp_path):
    file = tmp_path / "records"
    toys.write_records(file, toys.random_videos(5))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RecordError, match=f"{file}, record 4.*truncated"):
        training_data([str(file)])
    assert len(list(read_records(toys.write_records(file, toys.random_videos(5))))) == 5
