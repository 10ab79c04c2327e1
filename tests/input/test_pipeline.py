"""Records to batches: what is sampled and decoded, which records are refused, and the order of training batches."""

import dataclasses
import os
import time

import numpy as np
import pytest
import tensorflow as tf
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from script_flags import refused

from vsim_tf.errors import RecordError, UserError
from vsim_tf.input import order, pipeline, record_lengths
from vsim_tf.input.decoding import decode, multi_hot
from vsim_tf.input.pipeline import TrainingData, numbered_batches, readable_errors
from vsim_tf.io.memory import enough_memory
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import pair_record, video_record
from vsim_tf.tasks.masked_tokens import MaskedTokens


def one_batch(tmp_path, records, form=None, kind="videos"):
    file = toys.write_records(tmp_path / "records", records)
    return next(iter(toys.evaluation_batches([file], kind, form or toys.batch_format(), len(records))))


def video(video_id="7", title="天地", num_frames=2, tags=(3,)):
    frames = np.arange(num_frames * toys.DIM).reshape(num_frames, toys.DIM)
    return video_record(video_id, title, frames, tags=tags)


def altered(change, record=None):
    example = tf.train.Example.FromString(record or video())
    change(example.features.feature)
    return example.SerializeToString(deterministic=True)  # names the test


def same(a, b) -> bool:
    pairs = zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True)
    return all(x.dtype == y.dtype and x.shape == y.shape and bool(tf.reduce_all(x == y)) for x, y in pairs)


# --- frames, tags and titles ------------------------------------------------------------------------------------------


@given(rows=st.lists(st.lists(st.sampled_from([0, 3, 4, 10, 11, 700, 5000, 5001, 2**62, -1])), min_size=1, max_size=4))
@settings(deadline=None)
def test_multi_hot_drops_unknown_tags_and_counts_repeated_ones_once(rows):
    encoded = multi_hot(rows, toys.TAGS)
    assert encoded.dtype == np.int8
    assert encoded.tolist() == [[int(tag in row) for tag in toys.TAGS] for row in rows]


def test_frames_are_decoded_as_they_were_written(tmp_path):
    rng = np.random.default_rng(5)
    written = [rng.standard_normal((n, toys.DIM)).astype(np.float16) for n in (0, 1, 3, 4, 5, 9)]
    batch = one_batch(tmp_path, [video_record(f"{i}", "", frames) for i, frames in enumerate(written)])
    assert batch.frames.dtype == tf.float16
    assert batch.frames.shape == (6, toys.FRAMES, toys.DIM)
    assert batch.num_frames.numpy().tolist() == [0, 1, 3, 4, 4, 4]
    assert batch.num_frames.dtype == tf.int32
    for row, frames in enumerate(written[1:], 1):
        np.testing.assert_array_equal(batch.frames[row], frames[toys.sampled_in_2021(len(frames), toys.FRAMES)])


@pytest.mark.parametrize("record", [
    video(num_frames=0),
    altered(lambda f: f["frame_feature"].Clear()),
    altered(lambda f: f["frame_feature"].bytes_list.Clear()),
], ids=["written without", "no list", "empty list"])  # fmt: skip
def test_a_video_without_frames_is_all_zeros(tmp_path, record):
    batch = one_batch(tmp_path, [video("1"), record, video("3")])
    assert batch.num_frames.numpy().tolist() == [2, 0, 2]
    assert not batch.frames[1].numpy().any()
    assert batch.frames[2, 1, 1] == toys.DIM + 1  # the video behind it still has its own frames


def test_a_batch_of_videos_without_frames(tmp_path):
    batch = one_batch(tmp_path, [video("1", num_frames=0), video("2", num_frames=0)])
    assert batch.num_frames.numpy().tolist() == [0, 0]
    assert not batch.frames.numpy().any()


def test_ids_titles_and_tags_of_a_batch(tmp_path):
    tokenizer = toys.TOKENIZERS["bert"]
    titles = ["天地", "", toys.CHARACTERS]
    tags = [[5000, 3, 3], [], None]
    batch = one_batch(tmp_path, [video(f"00{i}", title, tags=t) for i, (title, t) in enumerate(zip(titles, tags, strict=True))])
    assert batch.ids.numpy().tolist() == [b"000", b"001", b"002"]
    input_ids, mask = tokenizer.encode_batch(titles, toys.TEXT)
    np.testing.assert_array_equal(batch.input_ids, input_ids)
    np.testing.assert_array_equal(batch.attention_mask, mask)
    assert batch.input_ids[1].numpy().tolist() == [tokenizer.cls_id, tokenizer.sep_id] + [tokenizer.pad_id] * 6
    assert batch.targets["tags"].numpy().tolist() == [[1, 0, 0, 0, 1], [0] * 5, [0] * 5]
    assert batch.targets.keys() == {"tags"}


@pytest.mark.parametrize("kind", ["videos", "pairs"])
def test_categories_are_tags_where_the_format_has_them(tmp_path, kind):
    frames = np.zeros((1, toys.DIM))
    first, second = (video_record(f"{n}", "天", frames, tags=[7], category=category) for n, category in enumerate([2, None]))
    records = [first, second] if kind == "videos" else [pair_record(first, second, 0.5)]
    form = dataclasses.replace(toys.batch_format(), tags=np.array([-3, 7]), categories=True)
    for categories, expected in ((True, [[1, 1], [0, 1]]), (False, [[0, 1], [0, 1]])):
        batch = one_batch(tmp_path, records, dataclasses.replace(form, categories=categories), kind)
        assert np.concatenate([each.targets["tags"] for each in batch.elements]).tolist() == expected


@pytest.mark.parametrize("count", [0, 1, 32, 33, 500])
def test_32_positions_of_any_number_of_frames(tmp_path, count):
    form = dataclasses.replace(toys.batch_format(), max_frames=32)
    frames = np.random.default_rng(count).standard_normal((count, toys.DIM)).astype(np.float16)
    batch = one_batch(tmp_path, [video("1"), video_record("2", "", frames), video("3")], form)
    assert batch.num_frames.numpy().tolist() == [2, min(count, 32), 2]
    expected = frames[toys.sampled_in_2021(count, 32)] if count else np.zeros((32, toys.DIM))
    np.testing.assert_array_equal(batch.frames[1], expected)


@pytest.mark.parametrize("trims", [False, True])
def test_batches_of_the_1st_place(tmp_path, trims):
    """An empty text before the title, zeros behind the last frame, which trimming cuts off."""
    rules = {"text_form": "pair", "sampling": "centred", "padding": "zeros", "trim_text": trims, "trim_frames": trims}
    frames = np.random.default_rng(0).standard_normal((6, toys.DIM)).astype(np.float16)
    records = [video_record("1", "", frames[:2]), video_record("2", "天", frames[:3])]
    batch = one_batch(tmp_path, records, dataclasses.replace(toys.batch_format(), **rules))
    tokenizer = toys.TOKENIZERS["bert"]
    cls, sep, pad, title = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, toys.VOCABULARY.index("天")
    text, slots = (4, 3) if trims else (toys.TEXT, toys.FRAMES)
    assert batch.input_ids.numpy().tolist() == [
        [*row, *[pad] * (text - 4)] for row in ([cls, sep, sep, pad], [cls, sep, title, sep])
    ]
    assert batch.attention_mask.numpy().sum(axis=1).tolist() == [3, 4] and batch.num_frames.numpy().tolist() == [2, 3]
    expected = np.zeros((2, slots, toys.DIM))
    expected[0, :2], expected[1, :3] = frames[:2], frames[:3]
    np.testing.assert_array_equal(batch.frames, expected)


def test_a_long_video_is_sampled_by_the_rule_of_the_format(tmp_path):
    """Of 6 frames in 4 slots, round((i + 0.5)·5/4) = 1 (0.625), 2 (1.875), 3 (3.125), 4 (4.375)."""
    frames = np.random.default_rng(0).standard_normal((6, toys.DIM)).astype(np.float16)
    for sampling, taken in (("centred", [1, 2, 3, 4]), ("strided", [0, 1, 2, 3])):
        form = dataclasses.replace(toys.batch_format(), sampling=sampling)
        batch = one_batch(tmp_path, [video_record(sampling, "", frames)], form)
        np.testing.assert_array_equal(batch.frames[0], frames[taken])


TITLES = {
    "empty": "", "blanks": " \t\u3000 ", "long": "天地" * 5000, "one long word": "a" * 10_000,
    "emoji": "😀👍🏽❤️", "extension B": "𠀀𪚥𠮷", "zero bytes": "a\0b\0",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["bert", "roformer"])
def test_every_title_becomes_a_row(tmp_path, kind):
    broken = altered(lambda f: f["title"].bytes_list.value.__setitem__(0, b"\xff\xe5\xa4" + "天".encode() + b"\x80"))
    records = [video(name, title) for name, title in TITLES.items()]
    batch = one_batch(tmp_path, [*records, broken, video("plain", "天")], toys.batch_format(kind))
    tokens, mask = batch.input_ids.numpy(), batch.attention_mask.numpy()
    assert (mask.sum(axis=1) >= 2).all() and (mask[list(TITLES).index("long")] == 1).all()
    special = toys.TOKENIZERS[kind]
    assert mask[:2].sum(axis=1).tolist() == [2, 2]  # nothing but [CLS] and [SEP]
    unknown = list(TITLES).index("one long word")
    assert tokens[unknown, :3].tolist() == [special.cls_id, special.unk_id, special.sep_id]
    np.testing.assert_array_equal(tokens[-2], tokens[-1])  # bytes that are not UTF-8 are dropped


def test_both_sides_of_a_pair(tmp_path):
    records = toys.random_pairs(5)
    batch = one_batch(tmp_path, records, kind="pairs")
    videos = one_batch(tmp_path, toys.random_videos(10))
    for side, part in enumerate((batch.first, batch.second)):
        assert same(part, tf.nest.map_structure(lambda x, side=side: x[side::2], videos))
    assert batch.targets["similarity"].dtype == tf.float32
    scores = [tf.train.Example.FromString(r).features.feature["sim"].float_list.value[0] for r in records]
    np.testing.assert_array_equal(batch.targets["similarity"], np.float32(scores))


def test_evaluation_keeps_the_order_of_files_and_the_last_small_batch(tmp_path):
    files = [toys.write_records(tmp_path / name, [video(name + i) for i in "123"]) for name in "ba"]
    batches = list(toys.evaluation_batches(files, "videos", toys.batch_format(), 4))
    assert [b.ids.numpy().tolist() for b in batches] == [[b"b1", b"b2", b"b3", b"a1"], [b"a2", b"a3"]]


# --- records that are refused -----------------------------------------------------------------------------------------

BAD_VIDEOS = {
    "no id": (altered(lambda f: f.pop("id")), "the key 'id' is missing"),
    "two ids": (altered(lambda f: f["id"].bytes_list.value.append(b"8")), "'id' has 2 byte strings"),
    "no title": (altered(lambda f: f.pop("title")), "video '7': the key 'title' is missing"),
    "two titles": (altered(lambda f: f["title"].bytes_list.value.append(b"x")), "video '7': 'title' has 2 byte strings"),
    "no frames": (altered(lambda f: f.pop("frame_feature")), "video '7': the key 'frame_feature' is missing"),
    "short frame": (
        altered(lambda f: f["frame_feature"].bytes_list.value.append(b"1234567")),
        "video '7': frame 2 has 7 bytes; expected 12",
    ),
    "not a number": (
        video_record("7", "", np.array([[0.0] * toys.DIM, [0, 0, np.nan, 0, 0, 0]])),
        "video '7': frame 1 holds nan at position 2; only finite numbers are accepted",
    ),
    "infinity": (
        video_record("7", "", np.array([[-np.inf] * toys.DIM])),
        "video '7': frame 0 holds -inf at position 0; only finite numbers are accepted",
    ),
}


@pytest.mark.parametrize("case", BAD_VIDEOS)
def test_a_bad_record_is_named(tmp_path, case):
    record, message = BAD_VIDEOS[case]
    good = toys.write_records(tmp_path / "good", [video("1"), video("2"), video("3")])
    bad = toys.write_records(tmp_path / "bad", [video("4"), video("5"), record, video("6")])
    batches = toys.evaluation_batches([good, bad], "videos", toys.batch_format(), 4)
    with pytest.raises(RecordError) as caught, readable_errors():
        list(batches)
    text = str(caught.value)
    assert text.startswith(f"{bad}, record 2")
    assert message in text
    assert "\n" not in text


def test_a_bad_side_of_a_pair_is_named(tmp_path):
    pair = altered(lambda f: f.pop("title_2"), toys.random_pairs(1)[0])
    file = toys.write_records(tmp_path / "pairs", [*toys.random_pairs(2), pair])
    with pytest.raises(RecordError, match=f"{file}, record 2.*'title_2'"), readable_errors():
        list(toys.evaluation_batches([file], "pairs", toys.batch_format(), 2))


def test_a_bad_record_in_training_names_its_place_in_the_file(tmp_path):
    files = [toys.write_records(tmp_path / name, [video(name + i) for i in "123"]) for name in "ab"]
    files.append(toys.write_records(tmp_path / "c", [video("c1"), BAD_VIDEOS["two titles"][0], video("c3")]))
    data = TrainingData(files, "videos", toys.batch_format(), 3, seed=1)
    with pytest.raises(RecordError, match=f"{files[2]}, record 1"), readable_errors():
        list(data.batches().take(3))  # an epoch


@pytest.mark.parametrize("damage", ["data", "end"])
def test_a_damaged_file_is_a_user_error(tmp_path, damage):
    file = tmp_path / "records"
    toys.write_records(file, toys.random_videos(3))
    content = bytearray(file.read_bytes())
    if damage == "data":
        content[40] ^= 1
    file.write_bytes(content if damage == "data" else content[:-5])
    with pytest.raises(UserError, match=r"damaged|truncated"), readable_errors():
        list(toys.evaluation_batches([str(file)], "videos", toys.batch_format(), 4))


def test_other_errors_pass_at_once(tmp_path):
    """No record is read to find out what was wrong with the model: the file is not even there any more."""
    file = toys.write_records(tmp_path / "records", toys.random_videos(3))
    batch = next(iter(toys.evaluation_batches([file], "videos", toys.batch_format(), 3)))
    os.remove(file)
    with pytest.raises(tf.errors.InvalidArgumentError, match="of the model"), readable_errors():
        tf.debugging.Assert(tf.shape(batch.frames)[0] == 0, ["an error of the model"])


def test_a_file_that_is_gone_is_named(tmp_path):
    file = toys.write_records(tmp_path / "records", toys.random_videos(3))
    batches = toys.evaluation_batches([file], "videos", toys.batch_format(), 3)
    os.remove(file)
    with pytest.raises(UserError, match=f"{file}: cannot be read: No such file"), readable_errors():
        list(batches)


def test_no_memory_to_read_is_an_error_of_memory(files, monkeypatch):
    def no_memory(*args):
        raise MemoryError

    monkeypatch.setattr(pipeline, "decode", no_memory)
    with pytest.raises(UserError, match="not enough memory for a test: lower --flag"), enough_memory("for a test", "--flag"):
        list(toys.evaluation_batches(files, "videos", PADDED, 3))


def test_no_iterator_waits_for_a_tuning_thread_when_it_is_deleted(tmp_path):
    file, form = toys.write_records(tmp_path / "records", toys.random_videos(4)), toys.batch_format()
    readers = [read([file], "videos", form, 2) for read in (numbered_batches, toys.evaluation_batches)]
    for batches in [*readers, TrainingData([file], "videos", form, 2, seed=1).batches()]:
        assert batches.options().autotune.enabled is False


def test_no_thread_of_tf_data_reads_ahead(tmp_path, monkeypatch):
    """Python's collector may delete an iterator while it holds a lock that such a thread waits for."""
    asked = []
    monkeypatch.setattr(pipeline.Ahead, "__call__", lambda self, n: asked.append(n) or pytest.fail("nothing is read"))
    file, form = toys.write_records(tmp_path / "records", toys.random_videos(8)), toys.batch_format()
    iterators = [iter(TrainingData([file], "videos", form, 2, seed=1, corruptions=[MaskedTokens().corrupt]).batches())]
    iterators.append(iter(numbered_batches([file], "videos", form, 2)))
    time.sleep(0.3)
    assert not asked


# --- training order ---------------------------------------------------------------------------------------------------


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
