"""A named model with its stages."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Self

from vsim_tf.components import by_first_name
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.models.architectures import Model
from vsim_tf.runs.stage import Stage

PLUS_OF_PAIRS: Mapping[str, Any] = types.MappingProxyType({"categories": True, "linear": LinearConfig().to_dict()})
"""What the recipe `plus` adds to models of pairs (docs/recipes.md)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretraining:
    """A model and how it is pre-trained at full size.

    Attributes:
        model: its parts; the vocabulary and what it predicts are not known yet.
        stage: how it is trained.
        size: the only size that it comes in; empty for any.
        published_size: the size that it was published in.
        model_of_plus, stage_of_plus: what the recipe `plus` changes in model and stage besides, by path.
    """

    model: Model
    stage: Stage
    size: str = ""
    published_size: str = "base"
    model_of_plus: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stage_of_plus: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifier:
    """A model and how it is trained on classes at full size.

    Attributes:
        model: its parts; sizes, vocabulary and classes are those of what it starts from.
        stage: how it is trained.
        encoder_from: the pre-trained model whose weights it starts from, where it has weights of the same name; empty for the
            published encoder.
        tower_from: the pre-trained model whose tower it starts from; empty for the published tower.
        ensemble_weight: of its probabilities in the final sum.
        published_size: the size that it was published in.
    """

    model: Model
    stage: Stage
    encoder_from: str
    tower_from: str
    ensemble_weight: float
    published_size: str = "base"

    @property
    def name(self) -> str:
        """The registered name."""
        return self.model.name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A registered model and how it is trained at full size.

    Attributes:
        model: its parts; vocabulary and tags are not known yet.
        pretrain, finetune: its stages.
        ensemble_weight: its weight in the final sum.
        size: the only size that it comes in; empty for any.
        published_size: the size that it was published in.
        split: how its labelled pairs are split into folds, "shuffled" or "modulo".
        folds: those that it is fine-tuned on by default, e.g. "0-10" or "0,3".
        pretrain_of_plus: what the recipe `plus` changes in pre-training besides, by path.
    """

    model: Model
    pretrain: Stage
    finetune: Stage
    ensemble_weight: float
    size: str = ""
    published_size: str = "base"
    split: str = "shuffled"
    folds: str = "0-10"
    pretrain_of_plus: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The registered name."""
        return self.model.name

    @property
    def pretraining(self) -> Pretraining:
        """Its first stage alone."""
        return Pretraining(
            model=self.model, stage=self.pretrain, size=self.size, published_size=self.published_size,
            model_of_plus=PLUS_OF_PAIRS, stage_of_plus=self.pretrain_of_plus,
        )  # fmt: skip

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Self:
        """A copy with values at dotted paths changed, e.g. `{"finetune.batch_size": 112}`, and with other fields."""
        preset = dataclasses.replace(self, **fields)
        for part, below in by_first_name(changes or {}).items():
            preset = dataclasses.replace(preset, **{part: getattr(preset, part).replace(below)})
        return preset
