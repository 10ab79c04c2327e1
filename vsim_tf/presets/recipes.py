"""Changes of the published solutions, in every stage. What helps, and by how much: docs/recipes.md."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, TypeVar

from vsim_tf.errors import UserError
from vsim_tf.models.architectures import Model
from vsim_tf.runs.stage import Stage

AnyModel = TypeVar("AnyModel", bound=Model)

NOTHING: Mapping[str, Any] = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Changes of a preset.

    Attributes:
        without_padding: models read padding nowhere.
        fixes: with the changes that a preset names (`Pretraining.model_of_plus` and `stage_of_plus`).
        pretrain, finetune, classify: fields of `Stage`.
        method: how models of embeddings are combined, "sum" or "svd".
    """

    without_padding: bool = False
    fixes: bool = False
    pretrain: dict[str, Any] = dataclasses.field(default_factory=dict)
    finetune: dict[str, Any] = dataclasses.field(default_factory=dict)
    classify: dict[str, Any] = dataclasses.field(default_factory=dict)
    method: str = "sum"

    def parts(self, model: AnyModel, fixed: Mapping[str, Any]) -> AnyModel:
        """The published model with what is put right, by path."""
        return model.replace(fixed) if self.fixes else model

    def model(self, model: Model) -> Model:
        """The model as the recipe has it."""
        return model.without_padding() if self.without_padding else model

    def stage(self, kind: str, stage: Stage, fixed: Mapping[str, Any] = NOTHING) -> Stage:
        """The stage "pretrain", "finetune" or "classify" as the recipe has it.

        Args:
            kind: which stage.
            stage: as it was published.
            fixed: changes of what is put right, by path.
        """
        changes: dict[str, Any] = getattr(self, kind)
        return stage.replace(fixed if self.fixes else {}, **changes)


RECIPES = {
    "2021": Recipe(),
    "plus": Recipe(
        without_padding=True,
        fixes=True,
        pretrain={"clip_norm": 1.0},
        finetune={"clip_norm": 1.0, "labels": "rank"},
        classify={"clip_norm": 1.0},
        method="svd",
    ),
}


def recipe(name: str) -> Recipe:
    """The registered recipe of a name; `UserError` with the known names otherwise."""
    if name not in RECIPES:
        raise UserError(f"recipe {name!r}: not a registered one; accepted: {', '.join(RECIPES)}", ["model.recipe"])
    return RECIPES[name]
