import pytest
from ensemble_members import write_run

from vsim_tf.ensemble.find import embedded_folds, find_members, folds_of_models, models_present
from vsim_tf.errors import UserError


def test_members_that_are_missing_are_named(tmp_path):
    write_run(tmp_path, {"one": [0, 10], "two": [0, 10]})
    with pytest.raises(UserError, match="no embeddings of test_a for 3: one/fold-01, two/fold-01, three/fold-01;"):
        find_members(tmp_path, {"one": [1], "two": [1], "three": [1]}, "test_a")
    with pytest.raises(UserError, match=r"no embeddings of test_b for 2: .*; there are those of test_a \(2 runs\); run "):
        find_members(tmp_path, {"one": [0], "two": [0]}, "test_b")
    with pytest.raises(UserError, match=r"; these runs have none of any test set; .*docs/data.md"):
        find_members(tmp_path, {"three": [0]}, "test_b")
    files = find_members(tmp_path, {"one": [10, 0], "two": [0]}, "test_a")
    assert {model: [str(path.relative_to(tmp_path)) for path in paths] for model, paths in files.items()} == {
        "one": ["one/fold-10/embeddings/test_a.npz", "one/fold-00/embeddings/test_a.npz"],
        "two": ["two/fold-00/embeddings/test_a.npz"],
    }


def make_runs(folder, folds):
    for model, numbers in folds.items():
        for fold in numbers:
            (folder / model / f"fold-{fold:02d}").mkdir(parents=True, exist_ok=True)
            (folder / model / f"fold-{fold:02d}" / "config.json").touch()


def test_each_model_has_the_folds_that_are_embedded(tmp_path, console):
    """Also above 99; a run without embeddings of the set is left out and said, a folder of another name is none."""
    write_run(tmp_path, {"one": [0, 2, 100], "two": [0]})
    write_run(tmp_path, {"one": [0], "two": [0, 1]}, "test_b")
    make_runs(tmp_path, {"one": [0, 2, 100], "two": [0, 1]})
    (tmp_path / "one/fold-000").symlink_to(tmp_path / "one/fold-00")
    (tmp_path / "one/fold-0x").symlink_to(tmp_path / "one/fold-00")
    assert embedded_folds(tmp_path, "one", "test_a") == [0, 2, 100]
    assert folds_of_models(tmp_path, ["two", "one"], None, "test_a") == {"two": [0], "one": [0, 2, 100]}
    assert console.readouterr().out == "two: left out are folds without embeddings of test_a: 1\n"
    assert folds_of_models(tmp_path, ["two", "one"], [5, 3], "test_a") == {"two": [5, 3], "one": [5, 3]}
    assert console.readouterr().out == ""


def test_a_model_without_embeddings_is_named(tmp_path):
    write_run(tmp_path, {"one": [0, 2], "two": [0]})
    make_runs(tmp_path, {"one": [0, 2], "two": [0], "three": [1]})
    with pytest.raises(UserError, match=r"no embeddings of test_a for 1: three; there are those of test_a \(2 runs\); run "):
        folds_of_models(tmp_path, ["one", "three"], None, "test_a")


def test_models_are_those_that_have_runs(tmp_path):
    for name in ("b/fold-03", "a/fold-00", "c/pretrain", "d/fold-00", "other/fold-00"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").touch()
    (tmp_path / "d/fold-00/config.json").unlink()
    assert models_present(tmp_path, ["a", "b", "c", "d"]) == ["a", "b"]
    with pytest.raises(UserError, match=f"^{tmp_path}: no model has a run fold-XX; train one by train_pair.py"):
        models_present(tmp_path, ["c", "d"])
