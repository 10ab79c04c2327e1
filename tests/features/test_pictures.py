"""Pictures to the byte as in the golden file, every mode and format, and what is refused."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vsim_tf.errors import UserError
from vsim_tf.features import pictures
from vsim_tf.features.pictures import (
    PictureSizes,
    centre_crop,
    decode_picture,
    encode_jpeg,
    resize_and_crop,
    resized,
)

GOLDEN = Path(__file__).parents[3] / "shared" / "golden_wbdc" / "golden_public_wbdc_clip_tower.npz"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="no golden file of the preprocessing")


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files if "image_" in name}


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ramp(height: int, width: int) -> np.ndarray:
    return (np.arange(height * width * 3) % 251).astype(np.uint8).reshape(height, width, 3)


# --- golden numbers ---------------------------------------------------------------------------------------------------


@needs_golden
@pytest.mark.parametrize("name", ["image_0", "image_1", "image_2"])
def test_resizing_and_cropping_are_those_of_the_original(golden, name):
    picture = golden[f"in/{name}"]
    np.testing.assert_array_equal(resized(picture, 37), golden[f"out/{name}/resized"])
    np.testing.assert_array_equal(resize_and_crop(picture, PictureSizes(37, 32)), golden[f"out/{name}/cropped"])


@needs_golden
def test_the_sizes_of_the_original_are_the_default(golden):
    np.testing.assert_array_equal(resize_and_crop(golden["in/image_real"]), golden["out/image_real/cropped"])


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "resize", "expected"),
    [((10, 20), 5, (5, 10)), ((20, 10), 5, (10, 5)), ((3, 5), 4, (4, 6)), ((7, 7), 7, (7, 7)), ((61, 47), 37, (48, 37))],
)
def test_the_longer_side_is_rounded_down(shape, resize, expected):
    """4 · 5 / 3 = 6.67 becomes 6, 37 · 61 / 47 = 48.02 becomes 48."""
    assert resized(ramp(*shape), resize).shape == (*expected, 3)


@pytest.mark.parametrize(("side", "start"), [(8, 2), (7, 2), (9, 2), (5, 0), (4, 0)])
def test_a_crop_starts_at_the_rounded_half_of_the_rest(side, start):
    """Rests of 3 and 5 are halved to 1.5 and 2.5, and both become 2; a rest of 1 becomes 0."""
    picture = ramp(side, side)
    np.testing.assert_array_equal(centre_crop(picture, 4), picture[start : start + 4, start : start + 4])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(0, 8))
def test_any_picture_becomes_a_square(height, width, crop, rest):
    assert resize_and_crop(ramp(height, width), PictureSizes(crop + rest, crop)).shape == (crop, crop, 3)


@pytest.mark.parametrize("sizes", [(4, 5), (4, 0), (0, 0)])
def test_crops_that_do_not_fit(sizes):
    with pytest.raises(UserError, match="a crop from 1 to resize is needed"):
        PictureSizes(*sizes).check()


def test_a_picture_too_oblong_to_resize(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    with pytest.raises(UserError, match="a.jpg, resized: a picture of 500 x 10 pixels; accepted are at most 1000"):
        resize_and_crop(ramp(1, 50), PictureSizes(10, 8), "a.jpg")


# --- decoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 100})])
def test_formats(kind, options):
    picture = np.full((5, 7, 3), (200, 40, 90), np.uint8)
    decoded = decode_picture(encoded(Image.fromarray(picture), kind, **options), "a")
    np.testing.assert_allclose(decoded.astype(int), picture.astype(int), atol=2)
    assert (decoded.dtype, decoded.shape) == (np.uint8, (5, 7, 3))


def grey_alpha() -> Image.Image:
    return Image.merge("LA", [Image.new("L", (2, 1), 70), Image.new("L", (2, 1), 0)])


def palette(transparency: bytes | None) -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7])
    if transparency:
        image.info["transparency"] = transparency
    return image


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("L", (2, 1), 70), (70, 70, 70)),
        (Image.new("1", (2, 1), 1), (255, 255, 255)),
        (Image.new("I;16", (2, 1), 70 * 256 + 9), (70, 70, 70)),
        (grey_alpha(), (70, 70, 70)),
        (Image.new("RGBA", (2, 1), (1, 2, 3, 0)), (1, 2, 3)),
        (palette(None), (9, 8, 7)),
        (palette(b"\x00"), (9, 8, 7)),
    ],
    ids=["grey", "bits", "16 bits", "grey and alpha", "alpha", "palette", "transparent palette"],
)
def test_every_mode_becomes_rgb(image, colour):
    assert decode_picture(encoded(image), "a").tolist() == [[list(colour)] * 2]


def test_orientation_in_exif_is_ignored_as_in_the_original():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert decode_picture(encoded(Image.new("RGB", (4, 2)), "JPEG", exif=exif), "a").shape == (2, 4, 3)


def test_jpeg_comes_back_nearly_the_same():
    picture = np.asarray(Image.linear_gradient("L").convert("RGB"))
    assert np.abs(decode_picture(encode_jpeg(picture), "a").astype(int) - picture).max() <= 4


def bomb(width: int, height: int) -> bytes:
    """A PNG that says to be large, with no pixel in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


JPEG = encoded(Image.fromarray(ramp(40, 40)), "JPEG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable picture .JPEG, PNG, WEBP.: cannot identify image file$"),
        (b"a text", "cannot identify image file$"),
        (JPEG[:-300], "image file is truncated"),
        (encoded(Image.new("RGB", (9, 9)))[:-30], "not a readable picture"),
        (encoded(Image.new("RGB", (2, 2)), "GIF"), "cannot identify"),
        (bomb(9000, 9000), "a picture of 9000 x 9000 pixels; accepted are at most 67108864"),
        (bomb(60_000, 60_000), "not a readable picture .*could be decompression bomb"),
    ],
    ids=["empty", "text", "truncated", "truncated PNG", "GIF", "large", "bomb"],
)
def test_refuses(data, message):
    with pytest.raises(UserError, match=f"x.zip, 1.jpg: .*{message}") as error:
        decode_picture(data, "x.zip, 1.jpg")
    assert "\n" not in str(error.value)


@given(st.integers(2, len(JPEG) - 1), st.integers(0, 255))
def test_any_changed_byte_is_a_picture_or_a_user_error(place, value):
    try:
        picture = decode_picture(JPEG[:place] + bytes([value]) + JPEG[place + 1 :], "a")
    except UserError:
        return
    assert picture.ndim == 3
