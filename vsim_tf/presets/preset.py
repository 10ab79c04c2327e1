"""A named model with its stages."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from vsim_tf.components import by_first_name
from vsim_tf.models.architectures import Model
from vsim_tf.runs.stage import Stage


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
    """

    model: Model
    pretrain: Stage
    finetune: Stage
    ensemble_weight: float
    size: str = ""
    published_size: str = "base"
    split: str = "shuffled"
    folds: str = "0-10"

    @property
    def name(self) -> str:
        """The registered name."""
        return self.model.name

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Self:
        """A copy with values at dotted paths changed, e.g. `{"finetune.batch_size": 112}`, and with other fields."""
        preset = dataclasses.replace(self, **fields)
        for part, below in by_first_name(changes or {}).items():
            preset = dataclasses.replace(preset, **{part: getattr(preset, part).replace(below)})
        return preset
