"""Towers of Hugging Face folders and of runs as functions of pictures."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import toy_runs
import toy_towers
import toys

from vsim_tf.distributed.device import precision_scope
from vsim_tf.errors import UserError
from vsim_tf.inference.tower import load_tower
from vsim_tf.layers.vision_tower import pixel_values
from vsim_tf.models.build import build_network
from vsim_tf.models.clip_weights import load_vision_tower
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.weights import restore_weights

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return toy_towers.write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    config = toy_towers.dual_encoder(len(toys.VOCABULARY))
    return toy_runs.save_run(tmp_path_factory.mktemp("run") / "clip", config, seed=5)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 8, 8, 3), np.uint8)


def test_a_hub_folder(clip):
    tower = load_tower(clip)
    layer = toy_towers.built_tower()
    load_vision_tower(layer, clip)
    assert (tower.picture_size, tower.dim) == (8, 6)
    features = tower(pictures(3))
    assert (features.dtype, features.shape) == (np.float32, (3, 6))
    np.testing.assert_allclose(features, layer(pixel_values(pictures(3))), atol=1e-6)


def test_batches_of_all_sizes_are_traced_once(clip):
    tower = load_tower(clip)
    whole = tower(pictures(5))
    for count in (1, 4, 5, 2):
        np.testing.assert_allclose(tower(pictures(count)), whole[:count], atol=1e-6)
    assert tower(pictures(0)).shape == (0, 6)
    assert tower._features.experimental_get_tracing_count() == 1


def test_bfloat16_is_near(clip):
    """Rounded to 8 bits: 0.4 % of numbers of about 1, through two blocks."""
    exact, near = (load_tower(clip, precision)(pictures(4)) for precision in ("float32", "mixed_bfloat16"))
    assert near.dtype == np.float32
    assert 1e-4 < np.abs(near - exact).max() < 0.1


def test_weights_are_rounded_once_with_the_same_result(clip):
    with precision_scope("mixed_bfloat16"):
        layer = toy_towers.built_tower()
    load_vision_tower(layer, clip)
    expected = tf.cast(layer(pixel_values(pictures(4))), tf.float32)
    tower = load_tower(clip, "mixed_bfloat16")
    assert {str(weight.dtype) for weight in tower.tower.weights} == {"bfloat16"}
    np.testing.assert_allclose(tower(pictures(4)), expected, atol=1e-2)


@pytest.mark.parametrize("of", ["folder", "checkpoint"])
def test_a_run(run, of):
    network = build_network(toy_towers.dual_encoder(len(toys.VOCABULARY)))
    checkpoint = newest_checkpoint(run, "last")
    restore_weights(network, checkpoint)
    features = load_tower(run if of == "folder" else checkpoint)(pictures(3))
    np.testing.assert_allclose(features, network.tower(pixel_values(pictures(3))), atol=1e-6)


def test_a_run_without_a_tower(tmp_path):
    folder = toy_runs.make_run(tmp_path / "run", "uniter", seed=1)
    with pytest.raises(UserError, match="run: model uniter has no vision tower; one that reads pictures is needed"):
        load_tower(folder)


def test_a_checkpoint_of_another_tower(run, tmp_path):
    """config.json says three blocks, the checkpoint has two: 12 weights."""
    other = tmp_path / "other"
    toy_runs.save_run(other, toy_towers.dual_encoder(len(toys.VOCABULARY)).replace({"tower.num_layers": 3}), seed=1)
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/last").symlink_to(run / "last")
    (tmp_path / "mixed/config.json").write_bytes((other / "config.json").read_bytes())
    with pytest.raises(UserError, match="does not fit the tower of model wbdc_clip: 12 weights missing .*tower/block_2"):
        load_tower(newest_checkpoint(tmp_path / "mixed", "last"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", "config.json: cannot be read"),
        ("none/ckpt-3", "no checkpoint none/ckpt-3"),
    ],
)
def test_paths_that_are_nothing(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        load_tower(path)


REFUSED = """
import sys
from vsim_tf.errors import UserError
from vsim_tf.inference.tower import load_tower
for path in sys.argv[1:]:
    try:
        load_tower(path)
    except UserError as error:
        print(error)
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


def test_what_is_wrong_is_said_before_tensorflow_is_loaded(tmp_path):
    other = toy_towers.write_clip(tmp_path / "other", config={"model_type": "siglip"})
    empty = toy_towers.write_clip(tmp_path / "empty")
    (empty / "model.safetensors").unlink()
    plain = toy_runs.make_run(tmp_path / "plain", "uniter", seed=1)
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, other, empty, plain], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third = done.stdout.splitlines()
    assert "model_type is 'siglip'" in first and "no weights" in second and "has no vision tower" in third
