"""The base of all models as configurations: their inputs and sizes, and what follows from them."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from vsim_tf.components import LARGEST, Component, require
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.text.fields import ALL_FIELDS, SHORTEST
from vsim_tf.text.special_tokens import CLS, FORMS, SEP

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork

RESIZE, CROP = 256, 224
"""Sides of a picture before and after it is cropped, of the published tower."""
LARGEST_EMBEDDING = 256
"""Embedding dimension that the 2021 contest accepted."""


SAMPLINGS, PADDINGS = ("strided", "centred", "stride_starts"), ("last", "zeros")


class TextInput(Component):
    """Titles as tokens.

    Attributes:
        max_length: at most so many tokens, special ones included.
        form: "single" for [CLS] title [SEP]; "pair" for [CLS] [SEP] title [SEP], the title behind an empty text
            (docs/facts_rank1.md 2); "title_ocr_asr" for [CLS] title [SEP] ocr [SEP] asr [SEP] (docs/facts_rank8.md 3). There are
            no segment ids: all tokens are of segment 0.
    """

    max_length: int = 32
    form: str = "single"

    def __post_init__(self) -> None:
        self.require_one_of("form", (*FORMS, ALL_FIELDS))
        tokens = ", ".join((CLS, *[SEP] * (SHORTEST - 1)) if self.form == ALL_FIELDS else (*FORMS[self.form], SEP))
        shortest = tokens.count(",") + 1
        require(
            self.max_length >= shortest, f"max_length={self.max_length}: at least {shortest} is needed ({tokens})", "max_length"
        )


class FrameInput(Component):
    """Frame features, or pictures.

    Attributes:
        dim: feature dimension.
        max_frames: slots, at most so many frames per video.
        sampling: which of more frames are taken, "strided" (docs/facts.md 1.3), "centred" (docs/facts_rank1.md 2) or
            "stride_starts" (docs/facts_rank8.md 3).
        padding: what fills the slots behind the last frame, "last" (that frame again) or "zeros".
        drawn: in training, the frames of a longer video are drawn at random instead, and kept in their order.
        resize: of pictures, the shorter side before the centre is taken (docs/facts_rank8.md 2); 0: of features, or none.
    """

    dim: int = 1536
    max_frames: int = 32
    sampling: str = "strided"
    padding: str = "last"
    drawn: bool = False
    resize: int = 0

    def __post_init__(self) -> None:
        self.require_positive("dim", "max_frames")
        require(0 <= self.resize <= LARGEST, f"resize={self.resize}: an integer from 0 is needed", "resize")
        self.require_one_of("sampling", SAMPLINGS)
        self.require_one_of("padding", PADDINGS)


class Model(Component):
    """A model that embeds videos: everything that is needed to build it again.

    Attributes:
        name: the registered name.
        encoder, text, frames: the text encoder, and what it and the model read.
        num_tags: columns of the tag heads, the tag list in ascending order; 0 as long as it is not known.
        embedding_size: dimension of the embedding, at most 256; 0 where it is the pooled states, as wide as those.
        recipe: the registered recipe that it is trained by; later stages read theirs here.
        num_classes: of the class head; 0 as long as it is not known.
        tower: makes features of pictures; None: frames are features already.
        categories: the categories of the training videos are tags, too.
        linear: a linear embedding next to the network's; None: there is the network's alone.
    """

    name: str
    encoder: EncoderConfig
    text: TextInput = TextInput()
    frames: FrameInput = FrameInput()
    num_tags: int = 0
    embedding_size: int = 256
    recipe: str = "2021"
    num_classes: int = 0
    tower: VisionConfig | None = None
    categories: bool = False
    linear: LinearConfig | None = None

    videos_are_independent: ClassVar[bool] = True
    """Whether no video's output depends on others of its batch in training either: no batch statistics, no negatives."""

    def __post_init__(self) -> None:
        require(self.num_tags >= 0, f"num_tags={self.num_tags}: an integer from 0 is needed", "num_tags")
        require(self.num_classes >= 0, f"num_classes={self.num_classes}: an integer from 0 is needed", "num_classes")
        self._require_embedding_size()
        length, limit = self.text.max_length + self.frame_positions, self.encoder.max_positions
        given = f"max_length={self.text.max_length}"
        given += f" and max_frames={self.frames.max_frames}" if self.frame_positions else ""
        paths = ("text.max_length", "frames.max_frames") if self.frame_positions else ("text.max_length",)
        require(length <= limit, f"{given}: {length} positions, and the encoder has {limit}", *paths)

        if self.tower:
            width = f"dim={self.frames.dim}: the tower makes features of hidden_size={self.tower.hidden_size}"
            require(self.frames.dim == self.tower.hidden_size, width, "frames.dim", "tower.hidden_size")
            size = f"resize={self.frames.resize}: at least picture_size={self.tower.picture_size}, of which pictures are cropped"
            require(self.frames.resize >= self.tower.picture_size, size, "frames.resize", "tower.picture_size")
            require(self.linear is None, "linear with tower: a linear embedding is one of frame features", "linear", "tower")

    def _require_embedding_size(self) -> None:
        size = f"embedding_size={self.embedding_size}"
        if not self.pools_states:
            self.require_positive("embedding_size")
            require(self.embedding_size <= LARGEST_EMBEDDING, f"{size}: at most 256 dimensions", "embedding_size")
        else:
            require(self.embedding_size == 0, f"{size}: 0 is needed, the embedding is pooled states", "embedding_size")

    @property
    def pools_states(self) -> bool:
        """Whether the embedding is pooled states, and not mapped to a dimension of its own."""
        return False

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""
        return self.embedding_size

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame in a batch: its features, or a picture."""
        return (self.tower.picture_size, self.tower.picture_size, 3) if self.tower else (self.frames.dim,)

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

    def with_tower(self, tower: VisionConfig | None) -> Self:
        """The model behind another vision tower, of which it trains as much; None: it reads features, and not pictures."""
        return self.replace(self.tower_changes(tower))

    def tower_changes(self, tower: VisionConfig | None) -> dict[str, Any]:
        """What another tower changes, by path.

        Pictures are resized before they are cropped in the proportion of 256 to 224 (docs/facts_rank8.md 2).
        """
        if tower is None:
            return {"tower": None, "frames.resize": 0}
        trained = self.tower.trainable_blocks if self.tower else -1
        return {
            "tower": tower.replace(trainable_blocks=min(trained, tower.num_layers)).to_dict(),
            "frames.dim": tower.hidden_size,
            "frames.resize": round(tower.picture_size * RESIZE / CROP),
        }

    def network(self) -> "VideoNetwork":
        """The Keras model, not yet built; see `vsim_tf.models.build`."""
        raise NotImplementedError
