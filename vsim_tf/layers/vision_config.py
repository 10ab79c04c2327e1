"""Sizes of a CLIP vision tower."""

from vsim_tf.components import Component, require

CHANNELS = 3
PREFIX = "vision_model"
"""Hugging Face's name of a tower within a CLIP model."""


class VisionConfig(Component):
    """A CLIP vision tower; field meanings are those of Hugging Face's config.json (`vision_config`).

    Attributes:
        picture_size: width and height of a picture.
        patch_size: width and height of a patch, by which the picture is divided.
        trainable_blocks: so many of the last blocks are trained and nothing else of the tower, -1: all of it
            (docs/facts_rank8.md 7).
    """

    picture_size: int = 224
    patch_size: int = 32
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_size: int = 3072
    layer_norm_eps: float = 1e-5
    trainable_blocks: int = -1

    def __post_init__(self) -> None:
        self.require_positive("picture_size", "patch_size", "hidden_size", "num_layers", "num_heads", "intermediate_size")
        self.require_fraction("layer_norm_eps")
        patches = f"picture_size={self.picture_size} and patch_size={self.patch_size}"
        message = f"{patches}: the first must be a multiple of the second"
        require(self.picture_size % self.patch_size == 0, message, "picture_size", "patch_size")
        heads = f"hidden_size={self.hidden_size} and num_heads={self.num_heads}"
        require(self.hidden_size % self.num_heads == 0, f"{heads}: the first must be a multiple of the second", "hidden_size")
        trained = f"trainable_blocks={self.trainable_blocks}: -1 to num_layers={self.num_layers} are accepted"
        require(-1 <= self.trainable_blocks <= self.num_layers, trained, "trainable_blocks")

    @property
    def grid(self) -> int:
        """Patches in a row of a picture."""
        return self.picture_size // self.patch_size
