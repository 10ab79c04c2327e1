"""The vision tower against PyTorch's, with weights that went through the files. Needs torch, which the project does not."""

import numpy as np
import pytest
import toy_towers

from vsim_tf.layers.vision_tower import VisionTower
from vsim_tf.models.clip_weights import load_vision_tower, read_vision_config

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

TOLERANCE = 1e-5
"""Float32 on both sides."""
SIZES = {
    "image_size": 48, "patch_size": 16, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 160,
}  # fmt: skip


def torch_tower(**config):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    model = CLIPVisionModel(CLIPVisionConfig(**SIZES | config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # larger than a fresh model's, norms and biases too, so that each one shows
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def loaded(folder) -> VisionTower:
    tower = toy_towers.built_tower(read_vision_config(folder))
    load_vision_tower(tower, folder)
    return tower


def difference(tower: VisionTower, model) -> float:
    """Largest difference of the states before and after each block, and of the vectors."""
    pixels = np.random.default_rng(1).standard_normal((3, 48, 48, 3)).astype("float32")
    with torch.no_grad():
        theirs = model(torch.tensor(pixels.transpose(0, 3, 1, 2)), output_hidden_states=True)
    ours = tower.states(pixels)
    pairs = [*zip(ours, theirs.hidden_states, strict=True), (tower(pixels), theirs.pooler_output)]
    return max(float(np.abs(np.asarray(one) - other.numpy()).max()) for one, other in pairs)


@pytest.mark.parametrize("config", [{}, {"layer_norm_eps": 1e-3, "patch_size": 8}])
def test_random_weights(tmp_path, config, record_property):
    model = torch_tower(**config)
    model.save_pretrained(tmp_path)
    found = difference(loaded(tmp_path), model)
    record_property("difference", found)
    assert found < TOLERANCE


def test_a_float16_file(tmp_path):
    """Both compute in float32, by weights that were rounded."""
    model = torch_tower().half()
    model.save_pretrained(tmp_path)
    assert difference(loaded(tmp_path), model.float()) < TOLERANCE


def test_the_tower_of_a_whole_clip_model(tmp_path):
    from transformers import CLIPConfig, CLIPModel, CLIPVisionModel

    text = {
        "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=SIZES)).save_pretrained(tmp_path, max_shard_size="100KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    model = CLIPVisionModel.from_pretrained(tmp_path, local_files_only=True).eval()
    assert difference(loaded(tmp_path), model) < TOLERANCE
