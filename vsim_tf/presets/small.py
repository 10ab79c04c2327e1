"""The preset `small`: what suits 300 to 10,000 videos of one's own, and encoders that start from random weights.

Its values are those of two small real sets (docs/results.md); with fewer examples, batches are smaller and epochs more, so that
there are some hundred steps. A model that starts from a published encoder keeps its registered learning rates.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.models.architectures import Model
from vsim_tf.presets import registry
from vsim_tf.presets.sizes import SIZES
from vsim_tf.records.class_folds import NUM_FOLDS
from vsim_tf.records.video_facts import VideoFacts
from vsim_tf.text.fields import ALL_FIELDS

PRETRAIN, FINETUNE, CLASSIFY = "pretrain", "finetune", "classify"
PAIRS, CLASSES = "pairs", "classes"
MULTIPLE = 4
"""Frames and tokens of a video are a multiple of this."""
SPECIAL_TOKENS = {"single": 2, "pair": 3, ALL_FIELDS: 4}
LONGEST_TEXT = {"single": 32, "pair": 32, ALL_FIELDS: 64}
"""Tokens at most, by the form of the text."""
LEAST_DECAY = 0.5


class Tier(NamedTuple):
    """How much is trained on so many examples or more."""

    examples: int
    batch_size: int
    epochs: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageChoice:
    """Choices for one stage of a system, or of one of its models.

    Attributes:
        tiers: by the number of examples, the largest first; the last one is of any.
        rates: peak learning rates by group, of an encoder that starts from random weights.
        warmups: warm-ups as shares of the run, by group; none: those of the stage.
        settings: values of any other setting, by path in config.json.
        memory: share of the run that the average of weights remembers; 0 for a stage without one.
    """

    tiers: tuple[Tier, ...]
    rates: Mapping[str, float]
    warmups: Mapping[str, float] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"training.val_batch_size": 256})
    memory: float = 0.0

    def plan(self, examples: int, model: Model) -> "Plan":
        """The choice for so many examples."""
        tier = next(tier for tier in self.tiers if examples >= tier.examples)
        settings = {"training.batch_size": tier.batch_size, **self.settings}
        if model.encoder.hidden_size <= SIZES["tiny"]["encoder.hidden_size"]:
            settings |= {f"training.groups.{group}.schedule.peak": rate for group, rate in self.rates.items()}
        if self.memory:
            steps = tier.epochs * max(examples // tier.batch_size, 1)
            settings["training.average.decay"] = round(max(1 - 1 / (self.memory * steps), LEAST_DECAY), 4)
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
        name: of the preset.
        size: of models that start from random weights.
        stages: by stage, and by model or system.
        folds: least number of labelled pairs, and the number of folds for it, the largest first.
        class_runs: folds that classifiers are validated on.
        flags: values of flags that have nothing to do with the size of the data, by what they are for.
    """

    name: str
    size: str
    stages: Mapping[str, Mapping[str, StageChoice]]
    folds: tuple[tuple[int, int], ...]
    class_runs: str
    flags: Mapping[str, Mapping[str, Any]]

    def choice(self, stage: str, model: str) -> StageChoice:
        """The choices for a stage of a registered model; `UserError` where there are none."""
        choices = self.stages[stage]
        for name in (model, registry.system_of(model)):
            if name in choices:
                return choices[name]
        raise UserError(f"preset={self.name}: has no choices for {model}; it is for {', '.join(choices)}", ["preset"])

    def plan(self, stage: str, model: Model, examples: int) -> Plan:
        """The choice for a stage of a registered model on so many videos or pairs."""
        return self.choice(stage, model.name).plan(examples, model)

    def num_folds(self, pairs: int) -> int:
        """The number of folds for so many labelled pairs."""
        return next(folds for least, folds in self.folds if pairs >= least)

    @property
    def least_videos(self) -> int:
        """Fewer videos fill no batch of any stage."""
        return min(tier.batch_size for choices in self.stages.values() for choice in choices.values() for tier in choice.tiers)

    @property
    def least_labelled(self) -> int:
        """Of fewer labelled pairs or videos a fold has too few to train on."""
        folds = min(NUM_FOLDS, *(folds for _, folds in self.folds))
        return math.ceil(self.least_videos * folds / (folds - 1))

    @staticmethod
    def model_settings(model: Model, videos: VideoFacts) -> dict[str, Any]:
        """What a model reads of videos of such lengths, by path in config.json; padding would be computed and pooled too."""
        tokens = videos.characters + SPECIAL_TOKENS[model.text.form]
        settings = {"model.text.max_length": _rounded(tokens, LONGEST_TEXT[model.text.form])}
        if model.tower:
            return settings
        frames = _rounded(videos.frames, model.frames.max_frames)
        return {"model.frames.dim": videos.frame_dim, "model.frames.max_frames": frames} | settings


def _rounded(length: int, longest: int) -> int:
    return min(-(-max(length, 1) // MULTIPLE) * MULTIPLE, longest)


_PRETRAIN = StageChoice(
    tiers=(Tier(4000, 64, 16), Tier(1000, 32, 16), Tier(0, 16, 24)),
    rates={"head": 3e-3, "encoder": 1e-3},
    warmups={"head": 0.007, "encoder": 0.13},  # the encoder starts when the classifier knows how frequent each tag is
)
_FEW_EVALUATED = {"training.val_batch_size": 64, "training.val_videos": 512}
"""Of a pre-training that nothing is chosen by."""
SMALL = DataPreset(
    name="small",
    size="tiny",
    stages={
        PRETRAIN: {
            "aiac2021_rank4": _PRETRAIN,
            "aiac2021_rank1": _PRETRAIN,
            "wbdc_single": StageChoice(  # where vocabulary and sizes come from, and no weights
                tiers=(Tier(4000, 64, 0.3), Tier(1000, 64, 0.6), Tier(0, 16, 1)),
                rates={"head": 1e-3, "encoder": 1e-3},
                settings=_FEW_EVALUATED,
            ),
            "wbdc_clip": StageChoice(
                tiers=(Tier(1000, 32, 3), Tier(0, 16, 6)), rates={"head": 1e-3, "encoder": 5e-4}, settings=_FEW_EVALUATED
            ),
        },
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
        CLASSIFY: {
            "wbdc2022_rank8": StageChoice(
                tiers=(Tier(4000, 64, 5), Tier(1000, 64, 6.25), Tier(400, 32, 8), Tier(0, 16, 12)),
                rates={"head": 2e-3, "encoder": 1e-3},
                memory=0.25,
            ),
        },
    },
    folds=((3000, 11), (0, 5)),
    class_runs="0-2",
    flags={
        PAIRS: {"recipe": "plus", "method": "svd", "weights": ["fit"]},
        CLASSES: {"recipe": "plus", "frames": "features", "start": "random", "decision": "levels"},
    },
)
PRESETS = {preset.name: preset for preset in (SMALL,)}
"""Presets by the size of the data, by name."""
