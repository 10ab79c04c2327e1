"""The named models of all systems."""

from collections.abc import Callable, Sequence
from typing import Any

from vsim_tf.errors import UserError
from vsim_tf.presets import aiac2021_rank1, aiac2021_rank4, wbdc2022_rank8
from vsim_tf.presets.preset import Classifier, Preset, Pretraining


def debug() -> Preset:
    """A Uniter a few units wide, for tests and for trying a pipeline out; it claims nothing."""
    return aiac2021_rank4.uniter().replace({"model.name": "debug"}, size="debug", ensemble_weight=0.0)


SYSTEMS = {"aiac2021_rank4": aiac2021_rank4.MODELS, "aiac2021_rank1": aiac2021_rank1.MODELS}
"""The models of each published system, which make an ensemble together."""
CLASS_SYSTEM = "wbdc2022_rank8"
"""The system of the models that learn classes."""
ENSEMBLE_MODELS = tuple(make for models in SYSTEMS.values() for make in models)
PUBLIC_MODELS = tuple(make.__name__ for make in ENSEMBLE_MODELS)
"""The names that help texts and messages list; `debug` is accepted besides them."""
PRETRAININGS: dict[str, Callable[[], Pretraining]] = {make.__name__: make for make in wbdc2022_rank8.PRETRAININGS}
"""Models that are pre-trained alone: classifiers start from their weights."""
CLASSIFIERS: dict[str, Callable[[], Classifier]] = {make.__name__: make for make in wbdc2022_rank8.CLASSIFIERS}
LINEAR = "linear"
"""A member of an ensemble that is fitted when the ensemble is made: of classifiers logistic regression
(`evaluation.class_baselines`), of models of embeddings ridge to the tags (`evaluation.linear_fit`).
"""
LINEAR_WEIGHT = 1.0
MODELS: dict[str, Callable[[], Preset]] = {make.__name__: make for make in (*ENSEMBLE_MODELS, debug)}


def system_of(name: str) -> str:
    """The system of a registered model; empty for one of none."""
    systems: dict[str, tuple[Callable[[], Any], ...]] = SYSTEMS | {CLASS_SYSTEM: (*PRETRAININGS.values(), *CLASSIFIERS.values())}
    return next((system for system, models in systems.items() if name in {make.__name__ for make in models}), "")


def preset(name: str) -> Preset:
    """The registered model of a name; `UserError` with the known names otherwise."""
    if name not in MODELS:
        raise UserError(f"name={name}: not a registered model; accepted: {', '.join(PUBLIC_MODELS)}", ["model.name"])
    return MODELS[name]()


def pretraining(name: str) -> Pretraining:
    """The entry that is registered for pre-training under a name; `UserError` with the known names otherwise."""
    if name in PRETRAININGS:
        return PRETRAININGS[name]()
    return preset(name).pretraining


def ensemble_weight(name: str) -> float:
    """The weight of a registered model or classifier in the ensemble of its system; `UserError` for another name."""
    if name == LINEAR:
        return LINEAR_WEIGHT
    return classifier(name).ensemble_weight if name in CLASSIFIERS else preset(name).ensemble_weight


def ensemble_weights(names: Sequence[str]) -> list[float]:
    """The weights of models of one ensemble, as registered; next to models of embeddings, `LINEAR` has the mean of theirs."""
    others = [ensemble_weight(name) for name in names if name != LINEAR]
    of_classes = set(names) <= {*CLASSIFIERS, LINEAR}
    linear = LINEAR_WEIGHT if of_classes else sum(others) / len(others)
    return [linear if name == LINEAR else ensemble_weight(name) for name in names]


def classifier(name: str) -> Classifier:
    """The registered classifier of a name; `UserError` with the known names otherwise."""
    if name not in CLASSIFIERS:
        raise UserError(f"name={name}: not a registered classifier; accepted: {', '.join(CLASSIFIERS)}", ["model.name"])
    return CLASSIFIERS[name]()
