"""A vision tower written as a Hugging Face folder, and what reads it."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file
from toy_towers import CONFIG, built_tower, tensors, write_clip

from vsim_tf.models.clip_folder import write_vision_tower
from vsim_tf.models.clip_weights import load_vision_tower, read_vision_config


@pytest.fixture
def written(tmp_path):
    """A tower with the weights of a folder, written into another one."""
    tower = built_tower()
    load_vision_tower(tower, write_clip(tmp_path / "given"))
    write_vision_tower(tower, tmp_path / "written")
    return tmp_path / "written"


def test_names_and_forms_are_those_of_pytorch(written):
    expected = tensors(rest=False)
    found = load_file(written / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_it_is_read_to_the_same_tower(written):
    assert read_vision_config(written) == CONFIG
    again = built_tower()
    load_vision_tower(again, written)
    expected = built_tower()
    load_vision_tower(expected, written.parent / "given")
    for name, weight in expected.named_weights().items():
        np.testing.assert_array_equal(again.named_weights()[name].read(), weight.read(), err_msg=name)


def test_the_configuration_is_that_of_a_vision_model_alone(written):
    config = json.loads((written / "config.json").read_bytes())
    assert (config["model_type"], config["hidden_act"], config["image_size"]) == ("clip_vision_model", "quick_gelu", 8)
