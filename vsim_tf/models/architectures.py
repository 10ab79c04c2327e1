"""The models as configurations: their parts, and what follows from them."""

from typing import TYPE_CHECKING, Self

from vsim_tf.components import require
from vsim_tf.models.frame_embeddings import DenseFrames, FrameEmbedding
from vsim_tf.models.layouts import Layout, TextFirst
from vsim_tf.models.model import FrameInput as FrameInput
from vsim_tf.models.model import Model as Model
from vsim_tf.models.model import TextInput as TextInput
from vsim_tf.models.pooling import MeanPooling, PoolerPooling, Pooling
from vsim_tf.models.projections import ProjectedStates, Projection
from vsim_tf.models.two_streams import DualEncoder as DualEncoder
from vsim_tf.models.two_streams import TwoStream as TwoStream

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork


class SingleStream(Model, name="single_stream"):
    """Text and frames in one encoder, pooled over positions: Uniter (docs/facts.md 3.4 and 3.5).

    Attributes:
        layout: how text and frames become one sequence.
        frame_embedding: how frame features become states.
        pooling: how the states of all positions become one vector.
        projection: whether states or the pooled vector are mapped to the embedding's dimension.
        pack: leave padding out of the encoder (`Sequence.packed`).
        unit_norm: scale embeddings to unit norm; tag heads read them before.
    """

    layout: Layout = TextFirst()
    frame_embedding: FrameEmbedding = DenseFrames()
    pooling: Pooling = MeanPooling()
    projection: Projection = ProjectedStates()
    pack: bool = False
    unit_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            not self.pooling.uses_pooler, f"pooling={self.pooling.type_name!r}: pools the text encoder of MixNextVLAD", "pooling"
        )
        require(
            self.layout.cls_first or not self.pooling.first_only,
            f"pooling={self.pooling.type_name!r} with layout={self.layout.type_name!r}: it reads the first position, a frame",
            "pooling", "layout",
        )  # fmt: skip
        require(
            not (self.pack and self.pooling.reads_padding),
            f"pack={self.pack} with pooling={self.pooling.type_name!r}: it reads the padding that packing removes",
            "pack", "pooling",
        )  # fmt: skip

    @property
    def frame_positions(self) -> int:
        return self.frames.max_frames if self.encoder.is_rotary else 0

    @property
    def pools_states(self) -> bool:
        return not self.projection.has_dense

    @property
    def dim(self) -> int:
        return self.embedding_size or self.encoder.hidden_size

    @property
    def state_size(self) -> int:
        return self.projection.state_size(self.embedding_size, self.encoder.hidden_size)

    @property
    def trims_text(self) -> bool:
        return not self.pooling.reads_padding

    @property
    def trims_frames(self) -> bool:
        has_positions = self.encoder.is_rotary or self.frame_embedding.has_positions
        return (self.frames.padding == "last" and not has_positions) or not self.pooling.reads_padding

    def without_padding(self) -> Self:
        return self.replace(pooling=self.pooling.without_padding(), pack=True)

    def network(self) -> "VideoNetwork":
        from vsim_tf.models.single_stream import SingleStreamNetwork

        return SingleStreamNetwork(self)


class MixNextVLAD(Model, name="mix_nextvlad"):
    """Text encoder and NeXtVLAD experts, mixed by a gate (docs/facts.md 3.2 and 3.3).

    Attributes:
        text_pooling: how text states become one vector.
        num_experts: NeXtVLADs.
        clusters, groups, expansion: sizes of NeXtVLAD.
        vlad_size: dimension of NeXtVLAD's result and of the mapped text.
        se_ratio: reduction of the squeeze-and-excitation gate.
        dropout: rate outside the encoder.
        frame_padding: whether positions behind the last frame take part in NeXtVLAD and the gate, as in 2021 (quirks 12, 13).
    """

    text_pooling: Pooling = PoolerPooling()
    num_experts: int = 3
    clusters: int = 64
    groups: int = 8
    expansion: int = 2
    vlad_size: int = 1024
    se_ratio: int = 8
    dropout: float = 0.2
    frame_padding: bool = True

    videos_are_independent = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_positive("num_experts", "clusters", "groups", "expansion", "vlad_size", "se_ratio")
        self.require_fraction("dropout")
        width = self.frames.dim * self.expansion
        require(
            width % self.groups == 0,
            f"groups={self.groups}: must divide the expanded frame dimension {width}"
            f" (dim={self.frames.dim} times {self.expansion})",
            "groups", "frames.dim",
        )  # fmt: skip
        require(
            self.embedding_size >= self.se_ratio,
            f"se_ratio={self.se_ratio}: at most embedding_size={self.embedding_size}",
            "se_ratio", "embedding_size",
        )  # fmt: skip

    @property
    def trims_text(self) -> bool:
        return not self.text_pooling.reads_padding

    @property
    def trims_frames(self) -> bool:
        return not self.frame_padding

    def without_padding(self) -> Self:
        return self.replace(text_pooling=self.text_pooling.without_padding(), frame_padding=False)

    def network(self) -> "VideoNetwork":
        from vsim_tf.models.mix_nextvlad import MixNextVLADNetwork

        return MixNextVLADNetwork(self)
