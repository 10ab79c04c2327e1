"""Batches of short videos: pictures, classes, parts of the text, and frames that are drawn."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys
from toy_short_videos import CATEGORIES, CLASSES

from vsim_tf.errors import RecordError
from vsim_tf.features.pictures import PictureSizes, decode_picture, encode_jpeg, resize_and_crop
from vsim_tf.input.decoding import BatchFormat, decode
from vsim_tf.input.frames import FrameDraw, frame_indices
from vsim_tf.input.pipeline import RecordBatches, TrainingData, numbered_batches
from vsim_tf.records.videos import video_record
from vsim_tf.text.fields import Fields, encode_fields

BERT = toys.TOKENIZERS["bert"]
FEATURES = BatchFormat(
    BERT, np.zeros(0, np.int64), 12, 4, toys.DIM, text_form="title_ocr_asr", sampling="stride_starts", padding="zeros"
)
PICTURES = dataclasses.replace(FEATURES, picture=PictureSizes(9, 8))
SEED, BATCH = 3, 4


def colours(count):
    """JPEG files of even grey, 10 levels apart."""
    return [encode_jpeg(np.full((9, 11, 3), 20 + 10 * i, np.uint8)) for i in range(count)]


def record(number=0, frames=2, category=0, texts=("天", "地", "玄"), pictures=None):
    """A video whose j-th frame has the numbers 10·number + j."""
    title, ocr, asr = texts
    features = None if pictures else np.tile((10 * number + np.arange(frames))[:, None], (1, toys.DIM))
    return video_record(f"v{number}", title, features, asr, None, category, ocr, pictures)


def batch(records, form):
    return decode(records, lambda row: f"record {row}", "videos", form)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_are_decoded_resized_and_cropped():
    files = colours(2)
    found = batch([record(pictures=files), record(1, pictures=files[:1])], PICTURES)
    assert found.frames.shape == (2, 4, 8, 8, 3) and found.frames.dtype == np.uint8
    expected = resize_and_crop(decode_picture(files[1], "file"), PICTURES.picture)
    np.testing.assert_array_equal(found.frames[0, 1], expected)
    assert found.num_frames.tolist() == [2, 1]
    assert not found.frames[0, 2:].any() and not found.frames[1, 1:].any()  # zeros behind the last


def test_of_many_pictures_the_beginnings_of_strides_are_taken():
    """9 // 4 = 2: pictures 0, 2, 4 and 6, of 20, 40, 60 and 80."""
    found = batch([record(pictures=colours(9))], PICTURES)
    np.testing.assert_allclose(found.frames[0].mean(axis=(1, 2, 3)), [20, 40, 60, 80], atol=1)


def test_pictures_that_are_not_taken_are_not_decoded():
    damaged = [*colours(4), b"no picture", *colours(3)]  # 8 // 4 = 2: picture 4 is taken, 5 is not
    with pytest.raises(RecordError, match=r"record 1, video 'v7': frame 4: not a readable picture"):
        batch([record(pictures=colours(2)), record(7, pictures=damaged)], PICTURES)
    batch([record(pictures=[*colours(5), damaged[4], *colours(2)])], PICTURES)


@pytest.mark.parametrize("trims", [False, True])
def test_the_spec_is_that_of_batches(trims, tmp_path):
    """Pictures, classes, and targets of a fixed length next to text that is trimmed."""
    form = dataclasses.replace(PICTURES, classes=CLASSES, context=True, trim_text=trims, trim_frames=trims)
    file = toys.write_records(tmp_path / "records", toy_short_videos.short_videos(6, pictures=True))
    spec = RecordBatches([file], "videos", form).spec()
    for _, found in numbered_batches([file], "videos", form, 4):
        assert found.targets.keys() == spec.targets.keys()
        for value, expected in zip(tf.nest.flatten(found), tf.nest.flatten(spec), strict=True):
            assert expected.is_compatible_with(value)


# --- targets ----------------------------------------------------------------------------------------------------------


def test_classes_are_indices_in_the_sorted_table():
    records = [record(i, category=int(category)) for i, category in enumerate(reversed(CATEGORIES))]
    found = batch(records, dataclasses.replace(FEATURES, classes=CLASSES))
    assert found.targets["classes"].tolist() == [4, 3, 2, 1, 0] and found.targets["classes"].dtype == np.int32
    assert batch(records, FEATURES).targets == {}


@pytest.mark.parametrize(("category", "message"), [(9999, "record 1, video 'v1': class '9999' is none of"), (None, "no class")])
def test_a_video_of_another_class_is_named(category, message):
    with pytest.raises(RecordError, match=message):
        batch([record(), record(1, category=category)], dataclasses.replace(FEATURES, classes=CLASSES))


def test_texts_of_batches_and_targets():
    """docs/facts_rank8.md 3: OCR before speech, which in the second form are joined with nothing in between."""
    texts = [("天地", "玄黄", "宇"), ("", "", "洪"), ("日", "", "")]
    found = batch([record(i, texts=each) for i, each in enumerate(texts)], dataclasses.replace(FEATURES, context=True))
    tokens = {name: [spelled(row) for row in found.targets[f"{name}_ids"]] for name in ("context", "title")}
    assert [spelled(row) for row in found.input_ids] == [
        "[CLS] 天 地 [SEP] 玄 黄 [SEP] 宇 [SEP]", "[CLS] [SEP] [SEP] 洪 [SEP]", "[CLS] 日 [SEP] [SEP] [SEP]",
    ]  # fmt: skip
    assert tokens["context"] == ["[CLS] 玄 黄 宇 [SEP]", "[CLS] 洪 [SEP]", "[CLS] [SEP]"]
    assert tokens["title"] == ["[CLS] 天 地 [SEP]", "[CLS] [SEP]", "[CLS] 日 [SEP]"]
    for name in ("context", "title"):
        np.testing.assert_array_equal(found.targets[f"{name}_mask"], found.targets[f"{name}_ids"] != BERT.pad_id)
        assert found.targets[f"{name}_ids"].shape == (3, 12)


def spelled(ids):
    return " ".join(toys.VOCABULARY[i] for i in ids if i != BERT.pad_id)


def test_targets_are_those_of_the_encoder_of_fields():
    fields = [Fields("天" * 9, "地" * 9, "玄" * 9)]
    found = batch([record(texts=fields[0])], dataclasses.replace(FEATURES, context=True))
    ids, mask = encode_fields(BERT, fields, 12, "ocr_asr")
    np.testing.assert_array_equal(found.targets["context_ids"], ids)
    np.testing.assert_array_equal(found.targets["context_mask"], mask)


# --- drawn frames -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_videos(tmp_path_factory):
    """Nine videos of 10 frames, whose first numbers tell video and frame."""
    return toys.write_records(tmp_path_factory.mktemp("records") / "videos", [record(i, frames=10) for i in range(9)])


def drawn(file, steps, start=0, form=FEATURES, seed=SEED, rows=None, **options):
    data = TrainingData([file], "videos", form, BATCH, seed, **({"drawn": True} | options))
    return [each.frames.numpy()[:, :, 0].astype(int) for each in data.batches(start, rows).take(steps)]


def test_frames_are_drawn_for_every_step_in_the_order_of_time(long_videos):
    for frames in drawn(long_videos, 6):
        videos, numbers = frames // 10, frames % 10
        assert (videos == videos[:, :1]).all() and (np.diff(numbers, axis=1) > 0).all()


def test_a_video_has_other_frames_in_the_next_epoch(long_videos):
    """Two steps an epoch: 8 of 9 videos; of C(10, 4) = 210 sets of frames the same is rarely drawn."""
    seen: dict[int, list] = {}
    for frames in np.concatenate(drawn(long_videos, 8)):
        seen.setdefault(int(frames[0]) // 10, []).append((frames % 10).tolist())
    assert all(len({tuple(each) for each in sets}) > 1 for sets in seen.values() if len(sets) > 1)
    assert max(map(len, seen.values())) == 4


def test_a_resumed_run_draws_the_same(long_videos):
    whole = drawn(long_videos, 6)
    np.testing.assert_array_equal(whole[3:], drawn(long_videos, 3, start=3))
    np.testing.assert_array_equal(whole, drawn(long_videos, 6))
    assert any((a != b).any() for a, b in zip(whole, drawn(long_videos, 6, seed=4), strict=True))


def test_a_part_of_a_batch_has_the_frames_that_the_whole_has(long_videos):
    whole, part = drawn(long_videos, 3), drawn(long_videos, 3, rows=(1, 3))
    np.testing.assert_array_equal(np.stack(whole)[:, 1:3], part)


def test_frames_follow_from_seed_step_and_record(long_videos):
    for step, frames in enumerate(drawn(long_videos, 3)):
        numbers = frames[:, 0] // 10
        expected = frame_indices(np.full(BATCH, 10), 4, "stride_starts", "zeros", FrameDraw((SEED, step), numbers))
        np.testing.assert_array_equal(frames % 10, expected)


def test_without_drawing_every_epoch_has_the_frames_of_the_rule(long_videos):
    for frames in drawn(long_videos, 4, drawn=False):
        np.testing.assert_array_equal(frames % 10, [[0, 2, 4, 6]] * BATCH)


def test_evaluation_never_draws(long_videos):
    for _, found in numbered_batches([long_videos], "videos", FEATURES, BATCH):
        np.testing.assert_array_equal(found.frames.numpy()[:, :, 0] % 10, [[0, 2, 4, 6]] * len(found.frames))


def test_pictures_are_drawn_as_features_are(tmp_path):
    """The frame of grey level 20 + 10·j is the j-th."""
    files = colours(10)
    pictures = toys.write_records(tmp_path / "pictures", [record(i, pictures=files) for i in range(9)])
    features = toys.write_records(tmp_path / "features", [record(i, frames=10) for i in range(9)])
    data = TrainingData([pictures], "videos", PICTURES, BATCH, SEED, drawn=True)
    for found, expected in zip(data.batches().take(3), drawn(features, 3), strict=True):
        levels = found.frames.numpy().mean(axis=(2, 3, 4))
        np.testing.assert_array_equal(np.rint((levels - 20) / 10), expected % 10)
