"""Models with one stream for text and one for frames, as configurations (docs/facts_rank8.md 6 and 7)."""

from typing import TYPE_CHECKING, Self

from vsim_tf.components import require
from vsim_tf.layers.encoder_config import TORCH_UNIFORM, EncoderConfig
from vsim_tf.models.model import Model
from vsim_tf.models.pooling import MeanPooling, Pooling

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork


class StreamModel(Model):
    """Text and frames in encoders of their own; `encoder` is that of the text.

    Attributes:
        pooling: how the states of each stream become one vector.
    """

    pooling: Pooling = MeanPooling()

    def __post_init__(self) -> None:
        super().__post_init__()
        named = f"pooling={self.pooling.type_name!r}"
        require(not self.pooling.uses_pooler, f"{named}: pools the text encoder of MixNextVLAD", "pooling")

    @property
    def pools_states(self) -> bool:
        return True

    @property
    def trims_text(self) -> bool:
        return not self.pooling.reads_padding

    @property
    def trims_frames(self) -> bool:
        return not self.pooling.reads_padding

    def without_padding(self) -> Self:
        return self.replace(pooling=self.pooling.without_padding())


class TwoStream(StreamModel, name="two_stream"):
    """A BERT for text, one for frames behind a class vector, cross layers over both: LXMERT (docs/facts_rank8.md 7).

    Features that are not as wide as states, which the original does not take, go through a Dense layer first.

    Attributes:
        vision_layers: blocks over frames.
        cross_layers: layers in which the streams attend to each other.
    """

    vision_layers: int = 6
    cross_layers: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_positive("vision_layers", "cross_layers")

    @property
    def dim(self) -> int:
        return 2 * self.encoder.hidden_size

    @property
    def vision(self) -> EncoderConfig:
        """The encoder of frames."""
        return self.encoder.replace(num_layers=self.vision_layers)

    @property
    def cross(self) -> EncoderConfig:
        """A cross layer."""
        return self.encoder.replace(initializer=TORCH_UNIFORM)

    def network(self) -> "VideoNetwork":
        from vsim_tf.models.two_stream import TwoStreamNetwork

        return TwoStreamNetwork(self)


class DualEncoder(StreamModel, name="dual_encoder"):
    """A vision tower and a BERT that are trained to give the frames and the text of a video similar vectors: CLIP.

    Radford et al. 2021, arXiv 2103.00020; docs/facts_rank8.md 6.
    """

    videos_are_independent = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tower is not None, "tower=None: this model reads pictures and needs one", "tower")
        width = f"dim={self.frames.dim}: features must be as wide as states, hidden_size={self.encoder.hidden_size}"
        require(self.frames.dim == self.encoder.hidden_size, width, "frames.dim", "encoder.hidden_size")

    @property
    def dim(self) -> int:
        return self.encoder.hidden_size

    def network(self) -> "VideoNetwork":
        from vsim_tf.models.dual_encoder import DualEncoderNetwork

        return DualEncoderNetwork(self)
