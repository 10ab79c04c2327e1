"""Every number of the 2021 code that lies in tests/golden, and the harness that compares them."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.golden.__main__ import main
from vsim_tf.golden.check import CASES, check_file
from vsim_tf.golden.file import EXACT, absolute, compare, relative, scaled, scaled_by_row, to_largest
from vsim_tf.golden.weights import fill
from vsim_tf.layers.transformer import NamedWeight
from vsim_tf.presets.registry import SYSTEMS

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("golden_*.json"))


@pytest.fixture(autouse=True)
def float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy(before)


def copy_of(case, folder):
    """A golden file in a folder of its own: its .json as a dictionary, its arrays, and a function that writes both."""
    description = json.loads((GOLDEN / f"golden_public_{case}.json").read_text())
    with np.load(GOLDEN / f"golden_public_{case}.npz", allow_pickle=False) as arrays:
        arrays = dict(arrays)

    def write():
        (folder / f"golden_copy_{case}.json").write_text(json.dumps(description))
        np.savez(folder / f"golden_copy_{case}.npz", **arrays)

    return description, arrays, write


SLOW = ("qq_init", "qq_train_finetune_frames_mean", "train_mix_roformer_pretrain_asl", "wbdc_init")
"""What takes longest; other files train and build these networks too."""


def param(path):
    name = path.stem.removeprefix("golden_public_")
    return pytest.param(path, id=name, marks=pytest.mark.slow if name in SLOW else ())


@pytest.mark.parametrize("path", [param(path) for path in FILES])
def test_numbers_are_those_of_2021(path):
    verdict = check_file(path)
    if "skipped" in verdict.detail:
        pytest.skip(verdict.detail)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("case", ["folds", "qq_split"])
def test_folds_of_the_contest_with_its_label_file_beside_the_golden_file(tmp_path, case):
    label_file = GOLDEN.parents[1].parent / "shared/golden/label.tsv"
    if not label_file.exists():
        pytest.skip("the contest's label file is not here")
    for file in (*GOLDEN.glob(f"golden_public_{case}.*"), label_file):
        shutil.copy(file, tmp_path)
    verdict = check_file(tmp_path / f"golden_public_{case}.json")
    assert verdict.passed and "skipped" not in verdict.detail, str(verdict)


SHARED_WBDC = GOLDEN.parents[1].parent / "shared/golden_wbdc"
WBDC_LEFT_OUT = (
    "clip_tower", "two_stream_clip", "train_clip_pretrain", "train_finetune", "train_finetune_fgm", "train_finetune_pgd",
    "train_two_stream", "train_two_stream_fgm",
)  # fmt: skip
"""Cases of the 8th place whose files are too large for the repository: they are compared where they lie next to it."""


@pytest.mark.slow
@pytest.mark.parametrize("case", WBDC_LEFT_OUT)
def test_numbers_are_those_of_2022_next_to_the_repository(case):
    path = SHARED_WBDC / f"golden_public_wbdc_{case}.json"
    if not path.exists():
        pytest.skip("the file is not here")
    verdict = check_file(path)
    assert verdict.passed, str(verdict)


def test_every_case_of_the_8th_place_has_a_file():
    here = {path.stem.removeprefix("golden_public_") for path in FILES if "_wbdc_" in path.name}
    assert here | {f"wbdc_{case}" for case in WBDC_LEFT_OUT} == {case for case in CASES if case.startswith("wbdc_")}


def test_all_public_files_are_there():
    assert len([path for path in FILES if not {"qq", "wbdc"} & set(path.name.split("_"))]) == 23
    assert {path.with_suffix(".npz").exists() for path in FILES if not path.stem.endswith(("folds", "init"))} == {True}


def test_every_model_and_stage_has_a_case():
    names = [make.__name__ for make in SYSTEMS["aiac2021_rank4"]]
    short = [name.replace("mix_nextvlad", "mix") for name in names]
    assert set(names) < set(CASES)
    assert {f"train_{name}_{stage}" for name in short for stage in ("pretrain", "finetune")} < set(CASES)
    variants = ("cls_mean", "frames_mean", "cls_att")
    assert {f"qq_train_{stage}_{variant}" for variant in variants for stage in ("pretrain", "finetune")} < set(CASES)


def test_unchanged_copy_passes(tmp_path, capsys):
    copy_of("se_gate", tmp_path)[2]()
    assert main([str(tmp_path)]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith("pass  se_gate") and "absolute" in line and "relative" in line
    assert total == "1 files, 0 failed"


@pytest.mark.parametrize("name", ["out/y", "w/se/restore/kernel", "in/x"])
def test_a_changed_number_fails(name, tmp_path, capsys):
    _, arrays, write = copy_of("se_gate", tmp_path)
    arrays[name].flat[0] += 1e-4
    write()
    assert main([str(tmp_path)]) == 1
    assert "FAIL  se_gate" in capsys.readouterr().out


def test_the_worst_array_is_named(tmp_path):
    _, arrays, write = copy_of("nextvlad", tmp_path)
    arrays["out/training"][0, 0] += 1e-3
    write()
    verdict = check_file(tmp_path / "golden_copy_nextvlad.json")
    assert not verdict.passed and "worst out/training" in verdict.detail


def test_other_sizes_are_read_from_the_file(tmp_path):
    description, arrays, write = copy_of("se_gate", tmp_path)
    rng = np.random.default_rng(3)
    x, reduce, restore = (rng.normal(size=shape).astype("float32") for shape in ((3, 10), (10, 5), (5, 10)))
    description["config"] |= {"se_ratio": 2, "emb": 10, "batch": 3}
    arrays |= {"in/x": x, "w/se/reduce/kernel": reduce, "w/se/restore/kernel": restore}
    arrays["out/y"] = x / (1 + np.exp(-np.maximum(x @ reduce, 0) @ restore))
    write()
    assert check_file(tmp_path / "golden_copy_se_gate.json").passed


def test_an_unknown_case_fails(tmp_path, capsys):
    description, _, write = copy_of("se_gate", tmp_path)
    description["case"] = "another_gate"
    write()
    assert main([str(tmp_path)]) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("FAIL  another_gate") and "unknown case" in line


@pytest.mark.parametrize("extra", ["out/z", "after_3/se/reduce/kernel", "grad_step1/se/reduce/kernel"])
def test_a_result_that_nothing_is_compared_with_fails(extra, tmp_path):
    _, arrays, write = copy_of("se_gate", tmp_path)
    arrays[extra] = np.zeros(3, "float32")
    write()
    verdict = check_file(tmp_path / "golden_copy_se_gate.json")
    assert not verdict.passed and extra in verdict.detail


def test_missing_and_surplus_weights_fail(tmp_path):
    _, arrays, write = copy_of("se_gate", tmp_path)
    arrays["w/se/third/kernel"] = arrays.pop("w/se/reduce/kernel")
    write()
    verdict = check_file(tmp_path / "golden_copy_se_gate.json")
    assert not verdict.passed
    assert "without an array: 1: se/reduce/kernel" in verdict.detail
    assert "without a weight: 1: se/third/kernel" in verdict.detail


def test_a_weight_of_another_shape_is_not_broadcast():
    weight = NamedWeight(keras.Variable(np.zeros((2, 3)), dtype="float32"))
    with pytest.raises(UserError, match="of another shape: 1: a"):
        fill({"a": weight}, {"a": np.ones(3)})


def test_half_a_file_fails(tmp_path, capsys):
    copy_of("se_gate", tmp_path)[2]()
    (tmp_path / "golden_copy_se_gate.json").rename(tmp_path / "golden_other_se_gate.json")
    assert main([str(tmp_path)]) == 1
    first, second, total = capsys.readouterr().out.splitlines()
    assert first.startswith("FAIL") and second.startswith("FAIL") and total == "2 files, 2 failed"


def test_a_damaged_file_does_not_stop_the_others(tmp_path, capsys):
    copy_of("se_gate", tmp_path)[2]()
    shutil.copy(GOLDEN / "golden_public_nextvlad.json", tmp_path)
    (tmp_path / "golden_public_nextvlad.npz").write_bytes(b"PK\x03\x04 not an archive")
    assert main([str(tmp_path)]) == 1
    assert [line[:4] for line in capsys.readouterr().out.splitlines()[:2]] == ["pass", "FAIL"]


def test_nothing_to_check_is_an_error(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "no files golden_*.json" in capsys.readouterr().err


@pytest.mark.parametrize("case", ["folds", "qq_split"])
def test_folds_without_the_label_file_are_skipped(tmp_path, capsys, case):
    shutil.copy(GOLDEN / f"golden_public_{case}.json", tmp_path)
    assert main([str(tmp_path)]) == 0
    assert "skipped: there is no label.tsv next to it" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["folds", "qq_split"])
def test_folds_of_another_label_file_fail(tmp_path, case):
    for file in GOLDEN.glob(f"golden_public_{case}.*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "label.tsv").write_text("".join(f"{i}\t{i + 5 * (i < 9)}\t{i % 21 / 20}\n" for i in range(67899)))
    verdict = check_file(tmp_path / f"golden_public_{case}.json")
    assert not verdict.passed and "label_" in verdict.detail, verdict.detail


@pytest.mark.parametrize(("case", "name"), [("qq_frames", "slots32_n5/index"), ("qq_frames", "slots8_n16/frames"),
    ("qq_frames", "slots8_n7/mask"), ("qq_text", "cls_first_len9/ids"), ("qq_text", "frames_first_len36/mask"),
    ("wbdc_text", "title_asr_ocr/ids"), ("wbdc_text", "ocr_asr_extra/mask"), ("wbdc_text", "real_256/tokens_kept"),
    ("wbdc_frames", "slots6/index"), ("wbdc_ensemble", "prediction")])  # fmt: skip
def test_a_changed_number_of_an_input_fails(case, name, tmp_path):
    _, arrays, write = copy_of(case, tmp_path)
    arrays[f"out/{name}"].flat[1] += 1
    write()
    verdict = check_file(tmp_path / f"golden_copy_{case}.json")
    assert not verdict.passed and name in verdict.detail


@pytest.mark.parametrize(
    "tolerance, used",
    [
        (absolute(0.1), 5.0),
        (scaled(0.1), 0.5),  # 0.5 / 10
        (scaled_by_row(0.1), 5.0),  # the row with the difference has no number above 1
        (to_largest(0.1), 0.5),
        (relative(0.1), 10.0),  # 0.5 / 0.5
        (EXACT, np.inf),
    ],
)
def test_units_of_each_tolerance(tolerance, used):
    expected = np.array([[0.5, 0.0], [10.0, 0.0]])
    comparison = compare("a", [[1.0, 0.0], [10.0, 0.0]], expected, tolerance)
    assert comparison == ("a", 0.5, pytest.approx(0.05), pytest.approx(used))


@pytest.mark.parametrize("actual", [np.nan, np.inf])
def test_numbers_that_are_not_finite_never_pass(actual):
    for expected in (1.0, np.nan, np.inf):
        assert compare("a", [actual], [expected], absolute(1e9)).used == np.inf


def test_another_shape_never_passes():
    assert compare("a", np.zeros(3), np.zeros((3, 1)), absolute(1.0)).used == np.inf
