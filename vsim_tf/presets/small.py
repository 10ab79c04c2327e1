"""The preset `small`: what suits 300 to 10,000 videos of one's own, and encoders that start from random weights.

Its values are those of a small real contest (docs/results.md); with fewer examples, batches are smaller and epochs more, so that
there are some hundred steps. A model that starts from a published encoder keeps its registered learning rates.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from vsim_tf.models.architectures import Model
from vsim_tf.presets import registry
from vsim_tf.presets.sizes import SIZES
from vsim_tf.records.video_facts import VideoFacts
from vsim_tf.text.fields import ALL_FIELDS

PRETRAIN, FINETUNE = "pretrain", "finetune"
LONGEST, MULTIPLE = 32, 4
"""Frames and tokens of a video are at most so many, as in 2021, and a multiple of this."""


class Tier(NamedTuple):
    """How much is trained on so many examples or more."""

    examples: int
    batch_size: int
    epochs: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageChoice:
    """Choices for one stage of a system.

    Attributes:
        tiers: by the number of examples, the largest first; the last one is of any.
        rates: peak learning rates by group, of an encoder that starts from random weights.
        warmups: warm-ups as shares of the run, by group.
    """

    tiers: tuple[Tier, ...]
    rates: Mapping[str, float]
    warmups: Mapping[str, float]

    def plan(self, examples: int, model: Model) -> "Plan":
        """The choice for so many examples."""
        tier = next(tier for tier in self.tiers if examples >= tier.examples)
        settings: dict[str, Any] = {"training.batch_size": tier.batch_size, "training.val_batch_size": 256}
        if model.encoder.hidden_size <= SIZES["tiny"]["encoder.hidden_size"]:
            settings |= {f"training.groups.{group}.schedule.peak": rate for group, rate in self.rates.items()}
        return Plan(settings, tier.epochs, self.warmups)


class Plan(NamedTuple):
    """What a preset chooses for a run.

    Attributes:
        settings: values by their path in config.json.
        epochs: length of the run.
        warmups: warm-ups as shares of the run, by group; schedules end with it.
    """

    settings: Mapping[str, Any]
    epochs: float
    warmups: Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataPreset:
    """Choices that follow from the size of the data.

    Attributes:
        size: of models that start from random weights.
        stages: by stage and system.
        folds: least number of labelled pairs, and the number of folds for it, the largest first.
        ensemble: flags of the last stage.
    """

    size: str
    stages: Mapping[str, Mapping[str, StageChoice]]
    folds: tuple[tuple[int, int], ...]
    ensemble: Mapping[str, Any]

    def plan(self, stage: str, model: Model, examples: int) -> Plan:
        """The choice for a stage of a registered model on so many videos or pairs."""
        system = next((name for name, models in registry.SYSTEMS.items() if model.name in {m.__name__ for m in models}), "")
        choices = self.stages[stage]
        return choices.get(system, next(iter(choices.values()))).plan(examples, model)

    def num_folds(self, pairs: int) -> int:
        """The number of folds for so many labelled pairs."""
        return next(folds for least, folds in self.folds if pairs >= least)

    @staticmethod
    def model_settings(model: Model, videos: VideoFacts) -> dict[str, Any]:
        """What a model reads of videos of such lengths, by path in config.json; padding would be computed and pooled too."""
        special = {"single": 2, "pair": 3, ALL_FIELDS: 4}[model.text.form]
        lengths = {"model.frames.max_frames": videos.frames, "model.text.max_length": videos.characters + special}
        rounded = {path: min(-(-max(length, 1) // MULTIPLE) * MULTIPLE, LONGEST) for path, length in lengths.items()}
        return {"model.frames.dim": videos.frame_dim} | rounded


_PRETRAIN = StageChoice(
    tiers=(Tier(4000, 64, 16), Tier(1000, 32, 16), Tier(0, 16, 24)),
    rates={"head": 3e-3, "encoder": 1e-3},
    warmups={"head": 0.007, "encoder": 0.13},  # the encoder starts when the classifier knows how frequent each tag is
)
SMALL = DataPreset(
    size="tiny",
    stages={
        PRETRAIN: {"aiac2021_rank4": _PRETRAIN, "aiac2021_rank1": _PRETRAIN},
        FINETUNE: {
            "aiac2021_rank4": StageChoice(
                tiers=(Tier(4000, 32, 0.5), Tier(1000, 32, 2), Tier(0, 16, 4)),  # longer runs fit the training videos
                rates={"head": 2e-4, "encoder": 5e-5},
                warmups={"head": 0.1, "encoder": 0.1},
            ),
            "aiac2021_rank1": StageChoice(
                tiers=(Tier(4000, 32, 3), Tier(1000, 32, 4), Tier(0, 16, 6)),
                rates={"head": 1e-3, "encoder": 2e-4},
                warmups={"head": 0.02, "encoder": 0.02},
            ),
        },
    },
    folds=((3000, 11), (0, 5)),
    ensemble={"method": "svd", "weights": ["fit"]},
)
PRESETS = {"small": SMALL}
"""Presets by the size of the data, by name."""
