"""Videos given as dicts: what is accepted, what is refused, and that they become what records become."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.errors import UserError
from vsim_tf.inference.items import ItemReader
from vsim_tf.inference.videos import ItemVideos, numbered_video_batches
from vsim_tf.input.decoding import decode
from vsim_tf.input.raw_video import RawVideo
from vsim_tf.records.videos import video_record

FRAMES = np.arange(2 * toys.DIM).reshape(2, toys.DIM) / 3
GOOD = {"title": "天地", "frames": FRAMES}


def items(count: int, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        {"id": f"v{i}", "title": toys.random_title(rng), "frames": rng.standard_normal((rng.integers(0, 8), toys.DIM))}
        for i in range(count)
    ]


def raw_video(item: dict) -> RawVideo:
    """The item as a model of frame features reads it, after its check."""
    reader = ItemReader(toys.batch_format())
    reader.check(item)
    return reader.read([item], str)[0]


def batches_of(videos: list[dict], form, batch_size: int) -> list:
    read = ItemVideos(videos, [form], None, str).read(range(len(videos)), form)
    return list(numbered_video_batches(read, form, batch_size, str))


RANK_1 = {"text_form": "pair", "sampling": "centred", "padding": "zeros"}


@pytest.mark.parametrize("trims", [False, True])
@pytest.mark.parametrize("rules", [{}, RANK_1], ids=["4th place", "1st place"])
def test_batches_are_those_of_records(trims, rules):
    """Apart from ids and tags, which take no part in embedding."""
    form = dataclasses.replace(toys.batch_format(), trim_text=trims, trim_frames=trims, **rules)
    videos = items(11)
    records = [video_record(video["id"], video["title"], video["frames"], tags=[3]) for video in videos]
    batches = batches_of(videos, form, 4)
    assert [len(numbers) for numbers, _ in batches] == [4, 4, 3]
    for numbers, batch in batches:
        expected = decode([records[number] for number in numbers], str, "videos", form)
        for field in ("input_ids", "attention_mask", "frames", "num_frames"):
            np.testing.assert_array_equal(getattr(batch, field), getattr(expected, field))
            assert getattr(batch, field).dtype == getattr(expected, field).dtype
        assert batch.targets["tags"].shape == expected.targets["tags"].shape
        assert not np.any(batch.targets["tags"])


@pytest.mark.parametrize(
    ("trims", "expected"),
    [
        ({}, [[0, 1], [2, 3]]),
        ({"trim_text": True}, [[0, 2], [3, 1]]),  # 0, 9 (of which 8 count), 0, 1 characters
        ({"trim_frames": True}, [[1, 3], [0, 2]]),  # 3, 0, 7 (of which 4 count), 0 frames
        ({"trim_text": True, "trim_frames": True}, [[3, 0], [2, 1]]),  # 3, 8, 4, 1
    ],
)
def test_items_are_sorted_by_what_they_need_of_a_batch(trims, expected):
    sizes = [(0, 3), (9, 0), (0, 7), (1, 0)]
    videos = [{"title": "天" * characters, "frames": np.ones((frames, toys.DIM))} for characters, frames in sizes]
    batches = batches_of(videos, dataclasses.replace(toys.batch_format(), **trims), 2)
    assert [numbers.numpy().tolist() for numbers, _ in batches] == expected


@pytest.mark.parametrize(
    "frames",
    [
        FRAMES,
        FRAMES.astype(np.float32),
        FRAMES.astype(np.float16),
        FRAMES.astype(">f8"),
        np.asfortranarray(FRAMES),
        FRAMES.tolist(),
        tf.constant(FRAMES),
    ],
)
def test_frames_of_any_real_type_are_rounded_to_float16(frames):
    video = raw_video({"title": "天地", "frames": frames, "tags": [3], "more": object()})
    assert (video.texts.title, video.tags) == ("天地", ())
    assert video.frames.dtype == np.uint16
    np.testing.assert_array_equal(video.frames.view(np.float16), FRAMES.astype(np.float16))


@pytest.mark.parametrize("frames", [[], np.zeros((0, toys.DIM)), np.zeros(0)])
def test_a_video_may_have_no_frames(frames):
    assert raw_video({"title": "", "frames": frames}).frames.shape == (0, toys.DIM)


def test_half_a_surrogate_is_dropped_as_other_bytes_that_are_not_utf8():
    """Three bytes, each of which becomes U+FFFD, as in a record; tokenizers drop that."""
    video = raw_video(GOOD | {"title": "天\ud800地"})
    assert video.texts.title == "天\ufffd\ufffd\ufffd地"
    np.testing.assert_array_equal(*(toys.TOKENIZERS["bert"].encode_batch([title], 8)[0] for title in (video.texts.title, "天地")))


def changed(row: int, column: int, value: float) -> np.ndarray:
    frames = FRAMES.astype(np.float32)
    frames[row, column] = value
    return frames


NEEDED = r"'title' \(str\) and 'frames' \(\[frames, 6\] numbers\)"
SHAPE = r"accepted are numbers of shape \[frames, 6\], where frames may be 0$"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("天地", rf"a str is given; accepted is a dict with the keys {NEEDED}$"),
        (None, r"a NoneType is given; accepted is a dict"),
        ({}, rf"the key 'title' is missing; there is no key, needed are {NEEDED}$"),
        ({"id": 1, "title": "天"}, rf"the key 'frames' is missing; there is 'id', 'title', needed are {NEEDED}$"),
        (GOOD | {"title": None}, r"'title' is of type NoneType; accepted is a str, which may be empty$"),
        (GOOD | {"title": "天".encode()}, r"'title' is of type bytes; accepted is a str"),
        (GOOD | {"frames": FRAMES[:, :5]}, rf"'frames' has the shape \[2, 5\]; {SHAPE}"),
        (GOOD | {"frames": FRAMES[0]}, rf"'frames' has the shape \[6\]; {SHAPE}"),
        (GOOD | {"frames": FRAMES[None]}, rf"'frames' has the shape \[1, 2, 6\]; {SHAPE}"),
        (GOOD | {"frames": np.zeros((0, 5))}, rf"'frames' has the shape \[0, 5\]; {SHAPE}"),
        (GOOD | {"frames": None}, rf"'frames' has the type object; {SHAPE}"),
        (GOOD | {"frames": FRAMES + 1j}, rf"'frames' has the type complex128; {SHAPE}"),
        (GOOD | {"frames": [[1.0] * 6, [1.0]]}, rf"'frames' cannot be made an array \(.*\); {SHAPE}"),
        (GOOD | {"frames": changed(1, 4, np.nan)}, r"frame 1 of 'frames' holds nan at position 4; accepted are finite numbers"),
        (GOOD | {"frames": changed(0, 2, -np.inf)}, r"frame 0 of 'frames' holds -inf at position 2; accepted"),
        (GOOD | {"frames": changed(0, 5, 65520)}, r"frame 0 of 'frames' holds 65520.0 at position 5; .* from -65504 to 65504"),
    ],
)
def test_what_is_no_video_is_refused_by_its_name(item, message):
    with pytest.raises(UserError, match=rf"^items\[1\]: {message}"):
        ItemVideos([GOOD, item], [toys.batch_format()], None, "items[{}]".format)


def test_the_largest_number_that_rounds_to_a_finite_one_is_accepted():
    """65519 is nearer to 65504 than to 65536, where float16 ends; 65520 is half-way."""
    video = raw_video(GOOD | {"frames": changed(0, 0, 65519)})
    assert isinstance(video, RawVideo)
    assert video.frames.view(np.float16)[0, 0] == 65504
