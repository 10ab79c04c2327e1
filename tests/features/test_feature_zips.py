import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.features.feature_zips import FeatureZip, write_feature_zip

SHORTVIDEO = Path(__file__).parents[3] / "shared" / "shortvideo"
VIDEOS = {"9": np.arange(6).reshape(2, 3) / 8, "10": np.zeros((0, 3)), "a": np.full((1, 3), -65504.0)}


def npy(array, **options) -> bytes:
    data = io.BytesIO()
    np.save(data, array, **options)
    return data.getvalue()


def write(path, members) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_what_is_written_is_read(tmp_path):
    assert write_feature_zip(tmp_path / "a.zip", VIDEOS.items()) == 3
    with FeatureZip(tmp_path / "a.zip", 3) as features:
        assert features.ids == ["9", "10", "a"] and len(features) == 3
        for video, values in VIDEOS.items():
            read = features.read(video)
            np.testing.assert_array_equal(read, values)
            assert read.dtype == np.float16 and read.shape == values.shape


def test_the_zip_is_uncompressed_and_follows_from_its_content(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_feature_zip(tmp_path / name, VIDEOS.items())
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert np.load(io.BytesIO(archive.read("9.npy")), allow_pickle=False).dtype == np.dtype("<f2")


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (65520.0, "65520.0")])
def test_what_float16_cannot_hold_is_not_written(value, shown, tmp_path):
    faulty = [("9", np.zeros((1, 2))), ("10", np.array([[0.0, 1.0], [2.0, value]]))]
    with pytest.raises(UserError, match=f"a.zip, 10: frame 1 holds {shown} at position 1; accepted are finite numbers"):
        write_feature_zip(tmp_path / "a.zip", faulty)
    assert not list(tmp_path.iterdir())


def test_another_feature_dimension(tmp_path):
    write_feature_zip(tmp_path / "a.zip", VIDEOS.items())
    with FeatureZip(tmp_path / "a.zip", 4) as features, pytest.raises(UserError, match="dimension is 3, asked for is 4") as error:
        features.read("9")
    assert error.value.fields == ("frame_embedding_size",)


def test_an_unknown_id(tmp_path):
    write_feature_zip(tmp_path / "a.zip", VIDEOS.items())
    with FeatureZip(tmp_path / "a.zip") as features, pytest.raises(UserError, match="a.zip, x.npy: there is no such member"):
        features.read("x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text", "not readable"),
        (b"", "not readable"),
        (npy(np.zeros((2, 3)))[:-8], "not readable"),
        (npy(np.array([[{}]], object), allow_pickle=True), "not readable: .*allow_pickle=False"),
        (npy(np.zeros(3)), r"float64 \[3\]; accepted are floats \[frames, dim\]"),
        (npy(np.zeros((1, 2), int)), r"int64 \[1, 2\]; accepted"),
        (npy(np.full((1, 2), np.nan)), "frame 0 holds nan at position 0"),
        (npy(np.full((1, 2), 1e6)), "frame 0 holds 1000000.0 at position 0"),
    ],
)
def test_refuses_members(data, message, tmp_path):
    with FeatureZip(write(tmp_path / "a.zip", {"1.npy": data})) as features, pytest.raises(UserError, match=f"1.npy: {message}"):
        features.read("1")


@pytest.mark.parametrize("members", [{}, {"1.txt": b""}])
def test_a_zip_without_features(members, tmp_path):
    with pytest.raises(UserError, match=f"a.zip: no .npy file among its {len(members)} members"):
        FeatureZip(write(tmp_path / "a.zip", members))


def test_files_that_are_no_such_zips(tmp_path):
    with pytest.raises(UserError, match="none.zip: does not exist"):
        FeatureZip(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(UserError, match="text.zip: not a readable zip of features"):
        FeatureZip(tmp_path / "text.zip")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for _ in range(2):
            archive.writestr("1.npy", b"")
    with pytest.raises(UserError, match="ids that occur more than once: 1: 1"):
        FeatureZip(tmp_path / "two.zip")


@given(st.data())
def test_any_changed_byte_is_read_or_a_user_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("changed") / "a.zip"
    write_feature_zip(path, VIDEOS.items())
    content = path.read_bytes()
    place, value = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 255))
    path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
    try:
        with FeatureZip(path) as features:
            read = [features.read(video) for video in features.ids]
    except UserError as error:
        assert "a.zip" in str(error)
        return
    assert all(values.dtype == np.float16 for values in read)


@pytest.mark.skipif(not SHORTVIDEO.exists(), reason="no short videos")
def test_the_features_of_a_real_split():
    with FeatureZip(SHORTVIDEO / "features/test_a.zip", 256) as features:
        assert len(features) == 750
        assert features.read(features.ids[0]).shape[1] == 256
