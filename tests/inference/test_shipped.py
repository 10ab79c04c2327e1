"""Names of models that come with the package, and paths that are called like them."""

from pathlib import Path

import pytest

from vsim_tf.errors import UserError
from vsim_tf.inference.shipped import SHIPPED_MODELS, model_path, require_model


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_a_name_is_the_folder_of_its_model(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (model_path(name) / "model.json").is_file()
    require_model(name)
    for path in (f"./{name}/fold-00", f"output/{name}", tmp_path / name, "uniter"):
        assert model_path(path) == Path(path)


def test_what_is_there_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("aiac2021_rank4").mkdir()
    assert model_path("aiac2021_rank4") == Path("aiac2021_rank4")


def test_a_path_that_is_neither(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_model(None)
    require_model("")
    with pytest.raises(UserError, match="aiac2021_rank5 does not exist; accepted are a folder of models"):
        require_model("aiac2021_rank5")
