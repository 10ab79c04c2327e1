"""The file of a linear model, and what it makes of titles and mean frames."""

import io

import numpy as np
import pytest
import toys

from vsim_tf.errors import UserError
from vsim_tf.inference.linear_member import LinearMember
from vsim_tf.inference.linear_model import FORMAT, LinearModel
from vsim_tf.input.decoding import RawVideo
from vsim_tf.text.fields import Fields

ARRAYS = {
    "format": FORMAT, "version": 1, "terms": np.array(["天", "地"]), "idf": np.float32([1, 2]), "mean": np.float32([1, 0]),
    "scale": np.float32([2, 1]), "projection": np.float32([[1, 0], [0, 1], [0, 1], [1, 0]]), "offset": np.float32([0.5, 0]),
}  # fmt: skip


def saved(**changes) -> bytes:
    file = io.BytesIO()
    np.savez(file, **(ARRAYS | changes))
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "linear.npz").write_bytes(saved())
    return tmp_path / "linear.npz"


def test_embeddings_by_hand(path):
    """TF-IDF of "地天" is (1, 2) / sqrt(5), of "天黄" (1, 0), as "黄" and pairs of neighbours are not counted, of "" (0, 0).

    The first mean frame (3, 5) becomes ((3 - 1) 2, 5) = (4, 5), and the embedding (1 / sqrt(5) + 5 - 0.5, 2 / sqrt(5) + 4).
    That of zeros is (-2, 0): (1 - 0.5, -2) for "天黄", and (-0.5, -2) without text.
    """
    model = LinearModel.load(path)
    values = model.embed(["地天", "天黄", ""], np.float32([[3, 5], [0, 0], [0, 0]]))
    np.testing.assert_allclose(values, [[5**-0.5 + 4.5, 2 * 5**-0.5 + 4], [0.5, -2], [-0.5, -2]], rtol=1e-6)
    assert (values.dtype, model.dim, model.frame_dim, model.parameters) == (np.float32, 2, 2, 16)
    assert model.embed([], np.zeros((0, 2), np.float32)).shape == (0, 2)


def test_titles_that_are_not_read():
    model = LinearModel((), *(np.float32(each) for each in ([], [1], [2], [[1]], [0])))
    np.testing.assert_array_equal(model.embed(["天"], np.float32([[3]])), [[4]])


def test_a_model_that_is_written_and_read_again(path):
    LinearModel.load(path).save(path.with_name("again.npz"))
    first, again = LinearModel.load(path), LinearModel.load(path.with_name("again.npz"))
    assert first.terms == again.terms == ("天", "地")
    np.testing.assert_array_equal(first.embed(["天地"], np.ones((1, 2))), again.embed(["天地"], np.ones((1, 2))))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "another"}, "its format is not 'vsim_tf linear model'"),
        ({"version": 2}, "its version is not 1; a newer vsim_tf may have written it"),
        ({"terms": np.array([1, 2])}, "terms are int64"),
        ({"idf": np.ones(2)}, "numbers float64, float32"),
        ({"terms": np.array(["天", "天"])}, "a term is empty or repeated"),
        ({"terms": np.array(["天", ""])}, "a term is empty or repeated"),
        ({"terms": np.array(["天"])}, "have the shapes"),
        ({"projection": np.ones((4, 3), np.float32)}, "have the shapes"),
        ({"offset": np.zeros((2, 1), np.float32)}, "have the shapes"),
        ({"mean": np.float32([np.nan, 0])}, "a number is not finite"),
        ({"terms": np.array(["天", None], object)}, r"not a readable linear model \(npz\): .*allow_pickle"),
    ],
)
def test_a_foreign_file_is_refused(path, changes, reason):
    path.write_bytes(saved(**changes))
    with pytest.raises(UserError, match=reason) as error:
        LinearModel.load(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"", saved()[:-90]])
def test_a_damaged_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"a.npz: not a readable linear model \(npz\)"):
        LinearModel.load(tmp_path / "a.npz")


def test_a_member_averages_all_frames(path):
    """(1, 4) and (5, 6) have the mean (3, 5); a video without frames has zeros."""
    member, counts = LinearMember(str(path), 0.25, toys.batch_format()), []
    frames = [np.float16([[1, 4], [5, 6]]).view(np.uint16), np.zeros((0, 2), np.uint16)]
    videos = [RawVideo(Fields(title, "ocr", "asr"), of_video, ()) for title, of_video in zip(["地天", ""], frames, strict=True)]
    values = member.embeddings(videos, 1, str, counts.append)
    np.testing.assert_allclose(values, member.model.embed(["地天", ""], np.float32([[3, 5], [0, 0]])))
    assert (values.dtype, counts, member.weight_bytes, member.weight) == (np.float64, [2], 64, 0.25)
    assert LinearMember(str(path)).format.frame_embedding_size == 2
