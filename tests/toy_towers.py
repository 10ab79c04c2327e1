"""Hugging Face folders of the smallest CLIP models, and notes of towers that made features."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from vsim_tf.io.paths import extraction_note
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.layers.vision_tower import VisionTower
from vsim_tf.models.architectures import DualEncoder, FrameInput, TextInput
from vsim_tf.types import PathLike

HIDDEN, WIDE, PATCH, PICTURE, LAYERS = 6, 10, 4, 8, 2
CONFIG = VisionConfig(
    picture_size=PICTURE, patch_size=PATCH, hidden_size=HIDDEN, num_layers=LAYERS, num_heads=2, intermediate_size=WIDE
)
HUB_CONFIG = {
    "hidden_size": HIDDEN, "intermediate_size": WIDE, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
    "image_size": PICTURE, "patch_size": PATCH,
}  # fmt: skip
REST = {
    "text_model.embeddings.token_embedding.weight": (7, 4),
    "text_model.encoder.layers.0.mlp.fc1.weight": (5, 4),
    "text_projection.weight": (3, 4),
    "visual_projection.weight": (3, HIDDEN),
    "logit_scale": (),
}
"""What a whole CLIP model has besides."""


def shapes() -> dict[str, tuple[int, ...]]:
    """Of the weights of a tower, by their PyTorch names without a prefix."""
    found = {
        "embeddings.class_embedding": (HIDDEN,),
        "embeddings.patch_embedding.weight": (HIDDEN, 3, PATCH, PATCH),
        "embeddings.position_embedding.weight": (1 + (PICTURE // PATCH) ** 2, HIDDEN),
    }
    dense = {f"self_attn.{part}_proj": (HIDDEN, HIDDEN) for part in ("q", "k", "v", "out")}
    dense |= {"mlp.fc1": (WIDE, HIDDEN), "mlp.fc2": (HIDDEN, WIDE)}
    norms = ["pre_layrnorm", "post_layernorm"]
    for layer in range(LAYERS):
        for name, shape in dense.items():
            found[f"encoder.layers.{layer}.{name}.weight"] = shape
            found[f"encoder.layers.{layer}.{name}.bias"] = shape[:1]
        norms += [f"encoder.layers.{layer}.layer_norm{number}" for number in (1, 2)]
    return found | {f"{norm}.{last}": (HIDDEN,) for norm in norms for last in ("weight", "bias")}


def tensors(prefix: str = "vision_model.", rest: bool = True, seed: int = 7, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Random weights of a whole CLIP model, or of its vision model alone."""
    rng = np.random.default_rng(seed)
    names = {f"{prefix}{name}": shape for name, shape in shapes().items()} | (REST if rest else {})
    return {name: np.asarray(0.3 * rng.standard_normal(shape)).astype(dtype) for name, shape in names.items()}


def write_clip(folder: Path, weights=None, config=None) -> Path:
    """A folder with the weights of a whole CLIP model, and its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors() if weights is None else weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config or {"model_type": "clip", "vision_config": HUB_CONFIG}))
    return folder


def note_tower(file: PathLike, sha256: str) -> None:
    """The note of an extraction by a tower."""
    extraction_note(file).write_text(json.dumps({"settings": {"tower": {"tower": f"/models/{sha256}", "sha256": sha256}}}))


def built_tower(config: VisionConfig = CONFIG) -> VisionTower:
    tower = VisionTower(config)
    tower.build()
    return tower


def dual_encoder(vocab_size: int) -> DualEncoder:
    """A model with the tower in front."""
    encoder = EncoderConfig(
        kind="bert", vocab_size=vocab_size, hidden_size=HIDDEN, num_layers=1, num_heads=2, intermediate_size=WIDE,
        max_positions=8, hidden_dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    frames = FrameInput(dim=HIDDEN, max_frames=3, padding="zeros", resize=9)
    return DualEncoder(
        name="wbdc_clip", encoder=encoder, text=TextInput(max_length=6), frames=frames, embedding_size=0, tower=CONFIG
    )
