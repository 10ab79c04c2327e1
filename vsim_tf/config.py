"""Frozen descriptions of a model and of a training stage, validated where they are made."""

import dataclasses
import math
import typing
from pathlib import Path
from typing import Any, Self

from vsim_tf.errors import UserError

PRECISIONS = ("auto", "float32", "mixed_bfloat16")
LABELS = ("scores", "rank")
LARGEST = 2**31 - 1
"""Largest whole number of a configuration: more does not fit the 32 bits of seeds and shapes."""


def _require(condition: bool, message: str, *fields: str):
    if not condition:
        raise UserError(message, fields)


def _require_positive(config: Any, *names: str):
    for name in names:
        value = getattr(config, name)
        fits = isinstance(value, int) and 0 < value <= LARGEST
        _require(fits, f"{name}={value!r}: a whole number above 0 and up to {LARGEST} is needed", config.path(name))


def _require_fraction(config: Any, *names: str):
    for name in names:
        value = getattr(config, name)
        _require(0 <= value < 1, f"{name}={value!r}: a number from 0 up to, not including, 1 is needed", config.path(name))


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value that was read from JSON is of the type of a field."""
    if kind is float:
        return type(value) in (int, float)
    if typing.get_origin(kind) is dict:
        return isinstance(value, dict) and all(_fits(item, typing.get_args(kind)[1]) for item in value.values())
    return type(value) is (dict if issubclass(kind, _Config) else kind)


class _Config:
    """What every configuration has in common: a dictionary form and back, and where it stands in config.json."""

    section: typing.ClassVar[str] = ""

    @classmethod
    def path(cls, field: str) -> str:
        """Path of a field in config.json, by which errors name it."""
        return f"{cls.section}.{field}" if cls.section else field

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The fields that have a default, with it: what is meant where an older file lacks a field."""
        fields = dataclasses.fields(cls)
        return {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises `UserError` naming the keys that this class does not know or misses, or that have a value of another type."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        required = {
            name
            for name, field in fields.items()
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        unknown, missing = sorted(set(values) - set(fields)), sorted(required - set(values))
        _require(not unknown and not missing, f"{cls.__name__}: unknown keys {unknown}, missing keys {missing}")
        for name, value in values.items():
            _require(_fits(value, fields[name].type), f"{cls.__name__}: {name} is {value!r}")
        return cls(**values)

    def replace(self, **changes: Any) -> Self:
        """A copy with the values that are not None changed."""
        return dataclasses.replace(self, **{key: value for key, value in changes.items() if value is not None})


@dataclasses.dataclass(frozen=True)
class EncoderConfig(_Config):
    """A BERT or RoFormer encoder; field meanings are those of Hugging Face's config.json.

    Attributes:
        kind: "bert" (absolute positions) or "roformer" (rotary positions).
        embedding_size: width of the word table; differs from `hidden_size` only in RoFormer. 0 means `hidden_size`.
        rotary_value: rotate the values too, not only queries and keys (RoFormer).
    """

    section: typing.ClassVar[str] = "model.encoder"
    kind: str
    vocab_size: int
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_size: int = 3072
    max_positions: int = 512
    type_vocab_size: int = 2
    embedding_size: int = 0
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    rotary_value: bool = False

    def __post_init__(self):
        _require(self.kind in ("bert", "roformer"), f"encoder kind={self.kind!r}: 'bert' or 'roformer' is accepted")
        _require_positive(self, "vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size", "max_positions")
        _require_fraction(self, "hidden_dropout", "attention_dropout", "layer_norm_eps", "initializer_range")
        heads = f"hidden_size={self.hidden_size} and num_heads={self.num_heads}"
        _require(self.hidden_size % self.num_heads == 0, f"{heads}: the first must be a multiple of the second")
        _require(
            self.kind == "bert" or self.hidden_size // self.num_heads % 2 == 0,
            f"{heads}: RoFormer needs an even head width",
        )
        if not self.embedding_size:
            object.__setattr__(self, "embedding_size", self.hidden_size)


@dataclasses.dataclass(frozen=True)
class ModelConfig(_Config):
    """Everything that is needed to build a model again.

    Attributes:
        name: the registered name.
        architecture: "mix_nextvlad" or "uniter".
        num_tags: number of tags of the classifier; columns are the tag list in ascending order.
        pooling: MixNextVLAD: how text states become one vector, "pooler" (tanh Dense on [CLS]) or "max" (over positions).
            Uniter: how positions become the embedding, "mean", "cls" or "max".
        tag_loss: "bce" or "asl".
        pretrain_losses: weight of each pre-training loss by name, see `vsim_tf.tasks.objectives`.
        recipe: the registered recipe that it is trained by; later stages read theirs here.
        ignore_padding: padding takes part nowhere, neither in pooling nor in NeXtVLAD and its gate; in 2021 it does.
        embedding_size: numbers per video, at most 256.
        num_experts, vlad_*: MixNextVLAD alone; `vlad_hidden_size` is also the width of the mapped text.
    """

    section: typing.ClassVar[str] = "model"
    name: str
    architecture: str
    encoder: EncoderConfig
    num_tags: int
    pooling: str
    tag_loss: str
    pretrain_losses: dict[str, float]
    recipe: str = "2021"
    ignore_padding: bool = False
    frame_embedding_size: int = 1536
    max_frames: int = 32
    max_text_length: int = 32
    embedding_size: int = 256
    dropout: float = 0.2
    num_experts: int = 3
    vlad_clusters: int = 64
    vlad_groups: int = 8
    vlad_expansion: int = 2
    vlad_hidden_size: int = 1024
    se_ratio: int = 8

    def __post_init__(self):
        if isinstance(self.encoder, dict):
            object.__setattr__(self, "encoder", EncoderConfig.from_dict(self.encoder))
        _require_positive(
            self, "num_tags", "frame_embedding_size", "max_frames", "embedding_size", "num_experts", "vlad_clusters",
            "vlad_groups", "vlad_expansion", "vlad_hidden_size", "se_ratio",
        )  # fmt: skip
        text = f"max_text_length={self.max_text_length}"
        _require(self.max_text_length >= 2, f"{text}: at least 2 is needed ([CLS], [SEP])", "model.max_text_length")
        _require_fraction(self, "dropout")
        _require(self.tag_loss in ("bce", "asl"), f"tag_loss={self.tag_loss!r}: 'bce' or 'asl' is accepted")
        size = f"embedding_size={self.embedding_size}"
        _require(self.embedding_size <= 256, f"{size}: at most 256 numbers per video", "model.embedding_size")
        self._check_lengths()
        self._check_architecture()

    @property
    def trims_text(self) -> bool:
        """Whether batches may be cut to their longest title with the same result: nothing reads what stands behind it."""
        unread = {"mix_nextvlad": ("pooler",), "uniter": ("cls", "max")}[self.architecture]
        return self.ignore_padding or self.pooling in unread

    @property
    def trims_frames(self) -> bool:
        """Whether batches may be cut to their longest video with the same result, or one that the mean can make up for."""
        if self.architecture == "mix_nextvlad" or self.ignore_padding:
            return self.ignore_padding
        return self.pooling in ("cls", "max") or self.encoder.kind == "bert"

    @property
    def videos_are_independent(self) -> bool:
        """Whether no video's output depends on others of its batch in training either: no batch statistics, no negatives."""
        return {"mix_nextvlad": False, "uniter": True}[self.architecture]

    def _check_lengths(self):
        frames = self.max_frames if self.architecture == "uniter" and self.encoder.kind == "roformer" else 0
        length, limit = self.max_text_length + frames, self.encoder.max_positions
        given = f"max_text_length={self.max_text_length}" + (f" and max_frames={frames}" if frames else "")
        _require(
            length <= limit,
            f"{given}: {length} positions, and the encoder has {limit}",
            "model.max_text_length", "model.max_frames",
        )  # fmt: skip

    def _check_architecture(self):
        poolings = {"mix_nextvlad": ("pooler", "max"), "uniter": ("mean", "cls", "max")}
        _require(self.architecture in poolings, f"architecture={self.architecture!r}: one of {sorted(poolings)} is accepted")
        accepted = poolings[self.architecture]
        pooling = f"pooling={self.pooling!r}"
        _require(self.pooling in accepted, f"{pooling}: {self.architecture} accepts {', '.join(accepted)}", "model.pooling")
        if self.architecture == "mix_nextvlad":
            width = self.frame_embedding_size * self.vlad_expansion
            _require(
                width % self.vlad_groups == 0,
                f"vlad_groups={self.vlad_groups}: must divide the expanded frame width {width}"
                f" (frame_embedding_size={self.frame_embedding_size} times {self.vlad_expansion})",
                "model.vlad_groups", "model.frame_embedding_size",
            )  # fmt: skip
            _require(
                self.embedding_size >= self.se_ratio,
                f"se_ratio={self.se_ratio}: at most embedding_size={self.embedding_size}",
                "model.se_ratio", "model.embedding_size",
            )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Schedule(_Config):
    """Learning rate: linear from 0 to `peak` over `warmup` steps, then linear to 0 at step `horizon`."""

    peak: float
    warmup: int
    horizon: int

    def __post_init__(self):
        _require(math.isfinite(self.peak) and self.peak >= 0, f"peak={self.peak!r}: a learning rate from 0 is needed", "peak")
        _require(self.warmup >= 0, f"warmup={self.warmup}: 0 or more steps are needed", "warmup")
        _require(
            self.horizon > self.warmup,
            f"warmup={self.warmup} with horizon={self.horizon}: a schedule must be longer than its warm-up",
            "warmup", "horizon",
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class StageConfig(_Config):
    """How a model is trained in one stage.

    Attributes:
        batch_size: global batch, in videos (pre-training) or pairs (fine-tuning).
        total_steps: number of updates.
        encoder_schedule, head_schedule: learning rates of the text encoder and of everything else.
        kl_weight: weight of the KL term of the pair loss.
        precision: "float32", "mixed_bfloat16", or "auto" for what suits the device (`vsim_tf.distributed.device`).
        clip_norm: largest global norm of the gradient of the mean loss, longer ones are scaled down to it; 0 for any (2021).
        labels: what the similarities of training pairs become, "scores" (as they are) or "rank" (`vsim_tf.records.rank_labels`).
        bucket_by_length: where batches are trimmed, videos of similar length share one.
        jit_compile: forward and backward pass are compiled by XLA, again for every length of a batch.
        length_multiple: lengths of trimmed training batches are rounded up to a multiple of it, so that few are compiled; 0: not.
        eval_every, log_every: steps between evaluations (with a checkpoint) and between log lines.
    """

    section: typing.ClassVar[str] = "training"
    batch_size: int
    total_steps: int
    encoder_schedule: Schedule
    head_schedule: Schedule
    val_batch_size: int = 32
    kl_weight: float = 0.5
    eval_every: int = 1000
    log_every: int = 100
    seed: int = 42
    precision: str = "auto"
    bucket_by_length: bool = True
    jit_compile: bool = False
    length_multiple: int = 0
    clip_norm: float = 0.0
    labels: str = "scores"

    def __post_init__(self):
        for name in ("encoder_schedule", "head_schedule"):
            if isinstance(getattr(self, name), dict):
                object.__setattr__(self, name, Schedule.from_dict(getattr(self, name)))
        _require_positive(self, "batch_size", "total_steps", "val_batch_size", "eval_every", "log_every")
        for name in ("kl_weight", "clip_norm"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f"{name}={value!r}: a number from 0 is needed", self.path(name))
        multiple = f"length_multiple={self.length_multiple!r}"
        _require(0 <= self.length_multiple <= LARGEST, f"{multiple}: a whole number from 0 is needed", "training.length_multiple")
        _require(self.labels in LABELS, f"labels={self.labels!r}: one of {', '.join(LABELS)} is accepted", "training.labels")
        seed = f"seed={self.seed!r}"
        _require(0 <= self.seed <= LARGEST, f"{seed}: a whole number from 0 to {LARGEST} is needed", "training.seed")
        _require(
            self.precision in PRECISIONS,
            f"precision={self.precision!r}: one of {', '.join(PRECISIONS)} is accepted",
            "training.precision",
        )


@dataclasses.dataclass(frozen=True)
class PretrainOptions:
    """What the pre-training script was asked for.

    Attributes:
        model, size: registered name and size.
        train_records, val_records: patterns of video records.
        label_file: scored pairs among the videos of `val_records`.
        tag_file: one known tag per line.
        hub_dir: Hugging Face folder of the text encoder; empty to train it from scratch.
        vocab: vocabulary for training from scratch; empty to build one from the training titles.
        training: how to train.
        model_overrides: fields of `ModelConfig` that differ from the registry's.
        folder: the run folder.
        overwrite: replace what the folder holds.
        keep_optimizer: keep the optimizer's moments of the complete run.
    """

    model: str
    size: str
    train_records: str
    val_records: str
    label_file: str
    tag_file: str
    hub_dir: str
    vocab: str
    training: StageConfig
    model_overrides: dict[str, float | int | str | None]
    folder: Path
    overwrite: bool = False
    keep_optimizer: bool = False
