import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.records.predictions import Predictions, read_predictions, write_predictions

LOGITS = np.array([[0.5, -1.0, 2.0], [1e30, 0.1, -3.0]])
PREDICTIONS = Predictions(["007", "9223372036854775808"], ("0000", "0001", "0100"), LOGITS)


def test_reads_back_float32(tmp_path):
    path = tmp_path / "predictions/test_a.npz"
    write_predictions(path, PREDICTIONS)
    read = read_predictions(path)
    assert read[:2] == PREDICTIONS[:2] and read.logits.dtype == np.float32
    np.testing.assert_array_equal(read.logits, LOGITS.astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ["007", "007"]}, "ids that occur more than once: 1: 007"),
        ({"ids": ["007", 8]}, "ids must be text; are not: 1: 8"),
        ({"ids": ["007", "8\0"]}, "an id ends with a NUL character"),
        ({"ids": ["007"]}, r"1 ids and 3 classes with logits of shape \[2, 3\]"),
        ({"classes": ("0000",)}, r"2 ids and 1 classes with logits of shape \[2, 3\]"),
        ({"classes": ("0000", "0100", "0100")}, "occur more than once: 1: 0100"),
        ({"ids": [], "logits": np.zeros((0, 3))}, r"shape \[0, 3\]; accepted is a row per id"),
        ({"logits": np.where(LOGITS > 1e10, np.nan, LOGITS)}, "not finite: 1: 9223372036854775808"),
        ({"logits": np.where(LOGITS > 1e10, 1e39, LOGITS)}, "not finite: 1: 9223372036854775808"),  # beyond float32
    ],
)
def test_what_cannot_be_kept_is_not_written(tmp_path, change, message):
    with pytest.raises(UserError, match=f"test_a.npz: .*{message}"):
        write_predictions(tmp_path / "test_a.npz", PREDICTIONS._replace(**change))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.zeros((2, 3), np.int64)}, r"logits are int64 \[2, 3\]; accepted is rows of floats"),
        ({"logits": np.zeros(3)}, r"logits are float64 \[3\]"),
        ({"ids": np.array([1, 2])}, "ids are int64"),
        ({"ids": np.array(["a", "b"], object)}, "not a readable file of predictions"),  # a pickle
        ({"logits": np.full((2, 3), np.inf)}, "not finite: 2: 007"),
        ({"logits": np.zeros((2, 4))}, r"3 classes with logits of shape \[2, 4\]"),
        ({"classes": None}, "not a readable file of predictions"),
    ],
)
def test_another_file_is_refused(tmp_path, change, message):
    path = tmp_path / "test_a.npz"
    arrays = {"ids": np.array(PREDICTIONS.ids), "classes": np.array(PREDICTIONS.classes), "logits": LOGITS} | change
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(UserError, match=f"{path}: .*{message}"):
        read_predictions(path)


def test_damaged_and_huge_files_are_refused(tmp_path):
    path = tmp_path / "test_a.npz"
    write_predictions(path, PREDICTIONS)
    with pytest.raises(UserError, match="accepted are at most 100"):
        read_predictions(path, max_bytes=100)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="not a readable file of predictions"):
        read_predictions(path)
