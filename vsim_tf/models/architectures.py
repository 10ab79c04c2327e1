"""The models as configurations: their parts and sizes, and what follows from them."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from vsim_tf.components import Component, require
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.models.frame_embeddings import DenseFrames, FrameEmbedding
from vsim_tf.models.layouts import Layout, TextFirst
from vsim_tf.models.pooling import MeanPooling, PoolerPooling, Pooling
from vsim_tf.models.projections import ProjectedStates, Projection
from vsim_tf.text.special_tokens import FORMS, SEP, shortest_text

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork

LARGEST_EMBEDDING = 256
"""Embedding dimension that the 2021 contest accepted."""


SAMPLINGS, PADDINGS = ("strided", "centred", "stride_starts"), ("last", "zeros")


class TextInput(Component):
    """Titles as tokens.

    Attributes:
        max_length: at most so many tokens, special ones included.
        form: "single" for [CLS] title [SEP]; "pair" for [CLS] [SEP] title [SEP], the title behind an empty text
            (docs/facts_rank1.md 2). There are no segment ids: all tokens are of segment 0.
    """

    max_length: int = 32
    form: str = "single"

    def __post_init__(self) -> None:
        self.require_one_of("form", FORMS)
        shortest, tokens = shortest_text(self.form), ", ".join((*FORMS[self.form], SEP))
        require(
            self.max_length >= shortest, f"max_length={self.max_length}: at least {shortest} is needed ({tokens})", "max_length"
        )


class FrameInput(Component):
    """Frame features.

    Attributes:
        dim: feature dimension.
        max_frames: slots, at most so many frames per video.
        sampling: which of more frames are taken, "strided" (docs/facts.md 1.3), "centred" (docs/facts_rank1.md 2) or
            "stride_starts" (docs/facts_rank8.md 3).
        padding: what fills the slots behind the last frame, "last" (that frame again) or "zeros".
    """

    dim: int = 1536
    max_frames: int = 32
    sampling: str = "strided"
    padding: str = "last"

    def __post_init__(self) -> None:
        self.require_positive("dim", "max_frames")
        self.require_one_of("sampling", SAMPLINGS)
        self.require_one_of("padding", PADDINGS)


class Model(Component):
    """A model that embeds videos: everything that is needed to build it again.

    Attributes:
        name: the registered name.
        encoder, text, frames: the text encoder, and what it and the model read.
        num_tags: columns of the tag heads, the tag list in ascending order; 0 as long as it is not known.
        embedding_size: dimension of the embedding, at most 256.
        recipe: the registered recipe that it is trained by; later stages read theirs here.
    """

    name: str
    encoder: EncoderConfig
    text: TextInput = TextInput()
    frames: FrameInput = FrameInput()
    num_tags: int = 0
    embedding_size: int = 256
    recipe: str = "2021"

    videos_are_independent: ClassVar[bool] = True
    """Whether no video's output depends on others of its batch in training either: no batch statistics, no negatives."""

    def __post_init__(self) -> None:
        self.require_positive("embedding_size")
        require(self.num_tags >= 0, f"num_tags={self.num_tags}: an integer from 0 is needed", "num_tags")
        size = f"embedding_size={self.embedding_size}"
        require(self.embedding_size <= LARGEST_EMBEDDING, f"{size}: at most 256 dimensions", "embedding_size")
        length, limit = self.text.max_length + self.frame_positions, self.encoder.max_positions
        given = f"max_length={self.text.max_length}"
        given += f" and max_frames={self.frames.max_frames}" if self.frame_positions else ""
        paths = ("text.max_length", "frames.max_frames") if self.frame_positions else ("text.max_length",)
        require(length <= limit, f"{given}: {length} positions, and the encoder has {limit}", *paths)

    @property
    def frame_positions(self) -> int:
        """Positions of the encoder that frames take up."""
        return 0

    @property
    def state_size(self) -> int:
        """Width of the states of `VideoOutput.sequence`, where a model has one."""
        raise NotImplementedError

    @property
    def trims_text(self) -> bool:
        """Whether batches may be cut to their longest title with the same result."""
        raise NotImplementedError

    @property
    def trims_frames(self) -> bool:
        """Whether batches may be cut to their longest video with the same result, or one that counts make up for."""
        raise NotImplementedError

    def without_padding(self) -> Self:
        """The model that reads padding nowhere."""
        raise NotImplementedError

    def fitted(self, vocab_size: int, num_tags: int, hub: dict[str, Any] | None = None, padding_token: int = 0) -> Self:
        """The model for a vocabulary and a tag list.

        Args:
            vocab_size, padding_token: of the vocabulary; the id of [PAD] only matters where padding gets no gradient.
            num_tags: length of the tag list.
            hub: the encoder's values of a Hugging Face config.json, which win.
        """
        padding = {} if self.encoder.padding_token < 0 else {"padding_token": padding_token}
        encoder = self.encoder.to_dict() | {"vocab_size": vocab_size} | padding | (hub or {})
        return self.replace(encoder=EncoderConfig.from_dict(encoder), num_tags=num_tags)

    def network(self) -> "VideoNetwork":
        """The Keras model, not yet built; see `vsim_tf.models.build`."""
        raise NotImplementedError


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
