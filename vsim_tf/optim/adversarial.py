"""Gradient methods that also train on perturbed token embeddings (docs/facts_rank8.md 8)."""

import re
from typing import TYPE_CHECKING

from vsim_tf.components import require
from vsim_tf.lazy import tf
from vsim_tf.optim.gradients import GradientMethod, Pass
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork

TINY = 1e-6
"""Added to norms by `WeightPerturbation`."""


class TableAttack(GradientMethod):
    """Perturbs a table of embeddings, makes passes at the perturbed weights, and adds the last one's gradients to the clean ones.

    The table is as before in the end. A gradient of zero perturbs nothing.

    Attributes:
        table: regular expression of the table's whole name (`VideoNetwork.weights_by_name`); empty: nothing is perturbed, and
            the passes differ by their dropout alone (rank-8 quirk 3).
        passes: perturbations, each followed by a pass.
    """

    table: str = "encoder/embedding/word"
    passes: int = 1

    def __post_init__(self) -> None:
        self.require_positive("passes")

    def perturbed(self, weights: Tensor, gradient: Tensor, clean: Tensor) -> Tensor:
        """The weights after one more perturbation.

        Args:
            weights: present ones, `[rows, dim]`.
            gradient: of the whole batch at them.
            clean: those before the first perturbation.
        """
        raise NotImplementedError

    def gradients(
        self, compute: Pass, network: "VideoNetwork", variables: list[Tensor]
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        logs, first = compute()
        place = self._place(network, variables)
        latest, clean = first, None if place is None else tf.identity(variables[place])
        for _ in range(self.passes):
            if place is not None:
                _assign(variables[place], self.step(tf.identity(variables[place]), _of_all_replicas(latest[place]), clean))
            _, latest = compute()
        if place is not None:
            _assign(variables[place], clean)
        return logs, [_sum(*each) for each in zip(first, latest, strict=True)]

    def step(self, weights: Tensor, gradient: Tensor, clean: Tensor) -> Tensor:
        """The same, or the weights as they are where the gradient is zero."""
        return tf.where(tf.norm(gradient) > 0, self.perturbed(weights, gradient, clean), weights)

    def _place(self, network: "VideoNetwork", variables: list[Tensor]) -> int | None:
        """Where the table is among the variables; None where nothing is perturbed."""
        if not self.table:
            return None
        found = [v.value for name, v in network.weights_by_name().items() if re.fullmatch(self.table, name)]
        places = [place for place, each in enumerate(variables) if any(each is v for v in found)]
        message = f"table={self.table!r}: {len(places)} trained weights have such a name, 1 is needed"
        require(len(places) == 1, message, "training.gradient_method.table")
        return places[0]


class FastGradient(TableAttack, name="fgm"):
    """One step of length ε along the gradient: r = ε·g/‖g‖ over the whole table (FGM; Miyato et al. 2016, arXiv 1605.07725).

    Attributes:
        epsilon: length of the step.
    """

    epsilon: float = 1.0

    def perturbed(self, weights: Tensor, gradient: Tensor, clean: Tensor) -> Tensor:
        return weights + self.epsilon * gradient / tf.norm(gradient)


class ProjectedGradient(TableAttack, name="pgd"):
    """Several steps of length α, each projected into the ball of radius ε (PGD; Madry et al. 2017, arXiv 1706.06083).

    Attributes:
        length: α.
        radius: largest norm ε of the whole perturbation.
    """

    passes: int = 3
    length: float = 0.3
    radius: float = 1.0

    def perturbed(self, weights: Tensor, gradient: Tensor, clean: Tensor) -> Tensor:
        distance = weights + self.length * gradient / tf.norm(gradient) - clean
        return clean + distance * tf.minimum(1.0, self.radius / tf.maximum(tf.norm(distance), TINY))


class WeightPerturbation(TableAttack, name="awp"):
    """Steps relative to the weights, each number kept within its own size (AWP; Wu et al. 2020, arXiv 2004.05884).

    r = α·g/(‖g‖ + 1e-6)·(‖w‖ + 1e-6), and w stays in clean ± ε·|clean|. The 8th place has it but did not report using it.

    Attributes:
        length: α.
        box: ε.
    """

    passes: int = 3
    length: float = 0.3
    box: float = 1.0

    def perturbed(self, weights: Tensor, gradient: Tensor, clean: Tensor) -> Tensor:
        moved = weights + self.length * gradient / (tf.norm(gradient) + TINY) * (tf.norm(weights) + TINY)
        reach = self.box * tf.abs(clean)
        return tf.clip_by_value(moved, clean - reach, clean + reach)


def _of_all_replicas(gradient: Tensor) -> Tensor:
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.convert_to_tensor(gradient))


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return None if first is None else tf.convert_to_tensor(first) + tf.convert_to_tensor(second)


def _assign(variable: Tensor, value: Tensor) -> None:
    """Sets a variable on all replicas to the value, which they share."""

    def everywhere(strategy: "tf.distribute.Strategy", variable: Tensor, value: Tensor) -> None:
        strategy.extended.update(variable, lambda one, new: one.assign(new), args=(value,))

    tf.distribute.get_replica_context().merge_call(everywhere, args=(variable, value))
