"""Filling a vision tower from a Hugging Face folder: configurations, names, the order of patches, and what is refused."""

import json

import ml_dtypes
import numpy as np
import pytest
import toy_towers
from toy_hub import save_shards
from toy_towers import CONFIG, HUB_CONFIG, built_tower, tensors, write_clip

from vsim_tf.errors import UserError
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.layers.vision_tower import VisionTower
from vsim_tf.models.clip_weights import load_vision_tower, read_vision_config

ALONE = HUB_CONFIG | {"model_type": "clip_vision_model"}


def assert_filled(tower: VisionTower, weights, prefix: str = "vision_model."):
    """Every weight of the tower, by what is known of its PyTorch name."""
    named = tower.named_weights()
    assert len(named) == len(toy_towers.shapes())
    for name in toy_towers.shapes():
        value = weights[prefix + name].astype("float32")
        path = f"vision_model.{name}".replace(".", "/")
        if "norm" in name:
            path = path.replace("/weight", "/gamma").replace("/bias", "/beta")
        elif value.ndim > 1 and "position" not in name:
            path, value = path.replace("/weight", "/kernel"), value.reshape(len(value), -1).T
        np.testing.assert_array_equal(named[path].read(), value, err_msg=name)


def test_a_whole_clip_model(tmp_path):
    tower = built_tower()
    report = load_vision_tower(tower, write_clip(tmp_path))
    assert_filled(tower, tensors())
    assert sorted(report.ignored) == sorted(toy_towers.REST) and not report.kept
    assert str(report).startswith(f"39 weights filled from {tmp_path / 'model.safetensors'}; ignored 5: ")


@pytest.mark.parametrize("prefix", ["vision_model.", ""])
def test_a_vision_model_alone(tmp_path, prefix):
    """With its prefix as transformers 4 saves it, without as 5 does; 4 saved a counter of positions too."""
    weights = tensors(prefix, rest=False)
    counter = {f"{prefix}embeddings.position_ids": np.arange(5)[None]}
    tower = built_tower()
    assert load_vision_tower(tower, write_clip(tmp_path, weights | counter)).ignored == list(counter)
    assert_filled(tower, weights, prefix)


@pytest.mark.parametrize("dtype", ["float16", "float64", ml_dtypes.bfloat16])
def test_other_floats_become_float32(tmp_path, dtype):
    tower, weights = built_tower(), tensors(dtype=dtype)
    load_vision_tower(tower, write_clip(tmp_path, weights))
    assert_filled(tower, weights)


def test_shards(tmp_path):
    tower, weights = built_tower(), tensors()
    save_shards(tmp_path, weights)
    assert load_vision_tower(tower, tmp_path).file.name == "model.safetensors.index.json"
    assert_filled(tower, weights)


def test_a_patch_is_the_sum_over_channels_rows_and_columns(tmp_path):
    """As PyTorch's convolution: Σ w[out, channel, row, column] · pixel[row, column, channel] of the patch at the bottom left."""
    weights = tensors()
    tower = built_tower()
    load_vision_tower(tower, write_clip(tmp_path, weights))
    pixels = np.random.default_rng(2).standard_normal((1, 8, 8, 3)).astype("float32")
    found = np.asarray(tower.patches(tower._cut(pixels)))[0, 2]
    expected = np.einsum("ocyx,yxc->o", weights["vision_model.embeddings.patch_embedding.weight"], pixels[0, 4:, :4])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_does_not_fit_is_named_and_nothing_is_set(tmp_path):
    tower, weights = built_tower(), tensors()
    before = {name: weight.read() for name, weight in tower.named_weights().items()}
    del weights["vision_model.post_layernorm.bias"]
    patches = "vision_model.embeddings.patch_embedding.weight"
    weights[patches] = np.zeros((6, 4, 4, 3), "float32")  # as many numbers in another order
    weights["vision_model.encoder.layers.2.mlp.fc1.bias"] = np.zeros(10, "float32")
    weights["vision_model.head.weight"] = np.zeros(1, "float32")
    with pytest.raises(UserError) as error:
        load_vision_tower(tower, write_clip(tmp_path, weights))
    message = str(error.value)
    assert "does not fit this vision tower: weights missing in the file, 1: vision_model/post_layernorm/beta" in message
    assert "without a place, 2: vision_model.encoder.layers.2.mlp.fc1.bias, vision_model.head.weight" in message
    assert f"wrong shapes, 1: {patches} (6, 4, 4, 3) instead of (48, 6)" in message
    for name, weight in tower.named_weights().items():
        np.testing.assert_array_equal(weight.read(), before[name])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", "pytorch_model.bin: a pickle can run code and is not read"),
        ("tf_model.h5", "one of model.safetensors, model.safetensors.index.json is needed"),
    ],
)
def test_other_files_of_weights_are_refused(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(UserError, match=message):
        load_vision_tower(built_tower(), tmp_path)


# --- configurations ---------------------------------------------------------------------------------------------------


def config_of(folder, content) -> VisionConfig:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_vision_config(folder)


@pytest.mark.parametrize("content", [{"model_type": "clip", "vision_config": HUB_CONFIG}, ALONE])
def test_sizes(tmp_path, content):
    assert config_of(tmp_path, content) == CONFIG


@pytest.mark.parametrize(
    "content", [{"model_type": "clip"}, {"model_type": "clip", "vision_config": {}}, {"model_type": "clip_vision_model"}]
)
def test_defaults_are_those_of_the_base_size_with_patches_of_32(tmp_path, content):
    assert config_of(tmp_path, content) == VisionConfig()


def test_the_configuration_that_openai_published(tmp_path):
    """transformers 4 wrote each part twice, and much that no tower needs."""
    part = HUB_CONFIG | {"projection_dim": 512, "model_type": "clip_vision_model", "hidden_act": "quick_gelu", "dropout": 0.0}
    content = {
        "architectures": ["CLIPModel"], "model_type": "clip", "vision_config": part, "vision_config_dict": None,
        "text_config_dict": None, "logit_scale_init_value": 2.6592, "torch_dtype": "float32", "transformers_version": None,
    }  # fmt: skip
    assert config_of(tmp_path, content) == CONFIG
    assert config_of(tmp_path, content | {"vision_config": {}, "vision_config_dict": part}) == CONFIG


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{'a': 1}", "config.json: not JSON"),
        ({}, "model_type is None; a CLIP model is needed, 'clip' or 'clip_vision_model'"),
        ({"model_type": "bert"}, "model_type is 'bert'; a CLIP model is needed"),
        ({"model_type": "clip", "vision_config": 3}, "config.json: transformers cannot read it"),
        ({"model_type": "clip", "vision_config": {"hidden_act": "gelu"}}, "hidden_act is 'gelu', only 'quick_gelu' is supported"),
        (ALONE | {"hidden_act": "gelu"}, "hidden_act is 'gelu', only 'quick_gelu'"),
        (ALONE | {"num_channels": 1}, "num_channels is 1, only 3 is supported"),
        (ALONE | {"attention_dropout": 0.1}, "attention_dropout is 0.1, only 0.0 is supported"),
        (ALONE | {"configuration_files": ["config.4.json"]}, "configuration_files is .*, only None is supported"),
        (ALONE | {"image_size": [8, 16]}, r"image_size is \[8, 16\]; an integer above 0 is needed"),
        (ALONE | {"patch_size": [4, 8]}, r"patch_size is \[4, 8\]; an integer above 0"),
        (ALONE | {"image_size": None}, "image_size is None; an integer above 0"),
        (ALONE | {"image_size": 9}, "config.json: picture_size=9 and patch_size=4: the first must be a multiple"),
        (ALONE | {"num_hidden_layers": 0}, "num_hidden_layers is 0; an integer above 0"),
        (ALONE | {"num_attention_heads": 4}, "config.json: .*multiple"),
        (ALONE | {"hidden_size": "64"}, "config.json: transformers cannot read it: .*hidden_size"),
    ],
)
def test_configurations_that_cannot_be_used(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as error:
        config_of(tmp_path, content)
    assert "\n" not in str(error.value)
