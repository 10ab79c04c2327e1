"""How large models are: what each size changes of the published ones."""

from typing import Any, TypeVar

from vsim_tf.errors import UserError
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.models.architectures import Model

SIZES: dict[str, dict[str, Any]] = {
    "base": {},
    "large": {
        "encoder.hidden_size": 1024,
        "encoder.num_layers": 24,
        "encoder.num_heads": 16,
        "encoder.intermediate_size": 4096,
    },
    "tiny": {
        "encoder.hidden_size": 128,
        "encoder.num_layers": 2,
        "encoder.num_heads": 4,
        "encoder.intermediate_size": 512,
        "encoder.max_positions": 512,
        "clusters": 16,
        "groups": 4,
        "vlad_size": 256,
        "vision_layers": 1,
        "cross_layers": 1,
    },
    "debug": {
        "encoder.hidden_size": 16,
        "encoder.num_layers": 1,
        "encoder.num_heads": 2,
        "encoder.intermediate_size": 32,
        "encoder.max_positions": 128,
        "embedding_size": 8,
        "clusters": 4,
        "groups": 2,
        "vlad_size": 12,
        "se_ratio": 2,
        "vision_layers": 1,
        "cross_layers": 1,
    },
}
"""Values by path, where a model has it. `base`, `large`: BERT's; `tiny` trains from scratch on a CPU; `debug` proves shapes."""
TOWERS = {
    "tiny": VisionConfig(picture_size=64, patch_size=16, hidden_size=128, num_layers=2, num_heads=4, intermediate_size=512),
    "debug": VisionConfig(picture_size=8, patch_size=4, hidden_size=16, num_layers=2, num_heads=2, intermediate_size=32),
}
"""Vision towers of a size, where they are not the published one."""
PUBLIC_SIZES = ("base", "large", "tiny")

AnyModel = TypeVar("AnyModel", bound=Model)


def sized(model: AnyModel, size: str) -> AnyModel:
    """The model at a registered size; `UserError` with the known ones otherwise."""
    if size not in SIZES:
        raise UserError(f"size {size!r}: not a registered one; accepted: {', '.join(PUBLIC_SIZES)}", ["size"])
    changes = {path: value for path, value in SIZES[size].items() if model.has(path) and not _is_pooled(model, path)}
    if model.tower and size in TOWERS:
        changes |= model.tower_changes(TOWERS[size])
    positions = changes.get("encoder.max_positions", model.encoder.max_positions)
    changes["text.max_length"] = min(model.text.max_length, positions - model.frame_positions)
    return model.replace(changes)


def _is_pooled(model: Model, path: str) -> bool:
    """Whether a path is the dimension of an embedding that is as wide as the states."""
    return path == "embedding_size" and model.pools_states
