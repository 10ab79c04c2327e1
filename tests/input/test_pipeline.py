"""Records to batches: what is sampled and decoded, and which records are refused; the order: test_training_order.py."""

import dataclasses
import os
import time

import numpy as np
import pytest
import tensorflow as tf
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_batches import one_batch, same, video

from vsim_tf.errors import RecordError, UserError
from vsim_tf.input import pipeline
from vsim_tf.input.decoding import multi_hot
from vsim_tf.input.pipeline import TrainingData, numbered_batches, readable_errors
from vsim_tf.io.memory import enough_memory
from vsim_tf.records.videos import pair_record, video_record
from vsim_tf.tasks.masked_tokens import MaskedTokens


def altered(change, record=None):
    example = tf.train.Example.FromString(record or video())
    change(example.features.feature)
    return example.SerializeToString(deterministic=True)  # names the test


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


def test_no_memory_to_read_is_an_error_of_memory(tmp_path, monkeypatch):
    def no_memory(*args):
        raise MemoryError

    monkeypatch.setattr(pipeline, "decode", no_memory)
    with pytest.raises(UserError, match="not enough memory for a test: lower --flag"), enough_memory("for a test", "--flag"):
        one_batch(tmp_path, [video()])


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
