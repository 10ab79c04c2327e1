"""What tells one tower from another."""

import shutil

import pytest
import toy_towers

from vsim_tf.errors import UserError
from vsim_tf.runs.run_folder import checkpoint_fingerprint
from vsim_tf.runs.tower_origin import tower_origin


def test_a_copy_of_a_hub_folder_is_the_same_tower(tmp_path):
    clip = toy_towers.write_clip(tmp_path / "clip")
    copy = shutil.copytree(clip, tmp_path / "copy")
    (copy / "README.md").write_text("of the model")
    first, second = tower_origin(clip), tower_origin(copy)
    assert (first.tower, second.tower) == (str(clip), str(copy)) and first.sha256 == second.sha256


def test_other_weights_of_the_same_size_and_another_configuration_are_others(tmp_path):
    clip = toy_towers.write_clip(tmp_path / "clip")
    before = tower_origin(clip).sha256
    size = (clip / "model.safetensors").stat().st_size
    toy_towers.write_clip(clip, toy_towers.tensors(seed=8))
    assert (clip / "model.safetensors").stat().st_size == size
    of_weights = tower_origin(clip).sha256
    changed = {"vision_config": toy_towers.HUB_CONFIG | {"num_attention_heads": 3}}
    toy_towers.write_clip(clip, toy_towers.tensors(seed=8), {"model_type": "clip"} | changed)
    assert len({before, of_weights, tower_origin(clip).sha256}) == 3


def test_a_checkpoint_has_the_checksum_of_its_index(tmp_path):
    index = tmp_path / "run/last/ckpt-7.index"
    index.parent.mkdir(parents=True)
    index.write_bytes(b"checksums")
    checkpoint = str(tmp_path / "run/last/ckpt-7")
    assert tower_origin(checkpoint) == (checkpoint, checkpoint_fingerprint(checkpoint))
    with pytest.raises(UserError, match="run.config.json does not exist"):
        tower_origin(tmp_path / "run")
