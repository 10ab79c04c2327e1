"""The values that registered models have where no flag is given, for --help."""

import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any

from vsim_tf.components import Component
from vsim_tf.presets import registry
from vsim_tf.presets.sizes import sized
from vsim_tf.presets.small import CLASSIFY, FINETUNE


@functools.cache
def registered(stage: str) -> dict[str, dict[str, Any]]:
    """Settings by path in config.json of each model that a stage trains, at its published size."""
    if stage == CLASSIFY:
        return {name: make().stage.paths("training.") for name, make in registry.CLASSIFIERS.items()}
    if stage == FINETUNE:
        return {name: registry.preset(name).finetune.paths("training.") for name in registry.PUBLIC_MODELS}
    found = {name: registry.pretraining(name) for name in (*registry.PUBLIC_MODELS, *registry.PRETRAININGS)}
    return {
        name: sized(each.model, each.published_size).paths("model.") | each.stage.paths("training.")
        for name, each in found.items()
    }


def described(path: str, stage: str) -> str:
    """The values of a setting, e.g. `256 (mix*), 210 (uniter_roformer)`; one of all models stands alone, and none is empty."""
    models = registered(stage)
    values = {name: _shown(settings[path]) for name, settings in models.items() if path in settings}
    values |= {name: "none" for name, settings in models.items() if settings.get(path.rpartition(".")[0], "") is None}
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    if len(groups) == 1 and len(values) == len(models):
        return next(iter(groups))
    return ", ".join(f"{value} ({', '.join(_families(names, models))})" for value, names in groups.items())


def _families(names: list[str], models: Mapping[str, Any]) -> list[str]:
    """Names, of which all that begin with the same word become one, `uniter*`."""
    sizes, there = Counter(map(_family, models)), Counter(map(_family, names))
    whole = {family for family, size in there.items() if 1 < size == sizes[family]}
    return list(dict.fromkeys(f"{_family(name)}*" if _family(name) in whole else name for name in names))


def _family(name: str) -> str:
    return name.partition("_")[0]


def _shown(value: Any) -> str:
    if isinstance(value, Component):
        return value.type_name
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
