"""Adam over named groups of variables, each with its own schedule, under any tf.distribute strategy."""

import functools
import types
from collections.abc import Mapping
from typing import NamedTuple

import keras
import tensorflow as tf

from vsim_tf.optim.schedules import Rate
from vsim_tf.optim.settings import Adam

DEFAULT = Adam()
NO_NAMES: Mapping[int, str] = types.MappingProxyType({})


class Update(NamedTuple):
    """One variable in one group, its moments and its decay."""

    group: str
    path: str
    variable: tf.Variable
    m: tf.Variable
    v: tf.Variable
    decay: float


def _zeros_like(variable: keras.Variable) -> tf.Variable:
    return tf.Variable(tf.zeros(variable.shape, variable.dtype), trainable=False)


class GroupAdam:
    """Adam (Kingma & Ba 2014, arXiv 1412.6980) in Keras' form: θ ← θ − lr·√(1−β₂ᵗ)/(1−β₁ᵗ)·m/(√v + ε), then θ ← θ − lr·decay·θ.

    A variable that stands in several groups is updated once per group with the full gradient and moments of its own, in the order
    of the groups (quirk 1). Gradients are summed over replicas and made dense first: Keras 3's Adam squares repeated rows of a
    sparse embedding gradient one by one.

    Args:
        groups: variables of each group, in the order of their updates. Make the optimizer under the strategy's scope.
        schedules: learning rate of each group.
        settings: epsilon and decay.
        names: of the variables, by identity, for the settings' pattern; needed with a decay.
    """

    beta_1, beta_2 = 0.9, 0.999

    def __init__(
        self,
        groups: dict[str, list[keras.Variable]],
        schedules: Mapping[str, Rate],
        settings: Adam = DEFAULT,
        names: Mapping[int, str] = NO_NAMES,
    ):
        self.schedules, self.epsilon = schedules, settings.epsilon
        self.variables = list({id(v): v.value for group in groups.values() for v in group}.values())
        self.updates = [
            Update(
                name, v.path, v.value, _zeros_like(v), _zeros_like(v), settings.decay and settings.decay_of(names[id(v)])
            )
            for name, group in groups.items()
            for v in group
        ]  # fmt: skip
        self.slots = {f"{u.group}/{u.path}/m": u.m for u in self.updates}
        self.slots |= {f"{u.group}/{u.path}/v": u.v for u in self.updates}

    def learning_rates(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Rate of each group for the update after `step` completed ones."""
        return {name: schedule.rate(step) for name, schedule in self.schedules.items()}

    def apply(self, gradients: list[tf.Tensor | None], step: tf.Tensor, max_norm: tf.Tensor | None = None) -> list[tf.Tensor]:
        """Sums gradients over replicas and applies them.

        Args:
            gradients: of this replica, one for each of `variables`, None where there is none.
            step: completed updates.
            max_norm: largest norm of all summed gradients together; longer ones are scaled to it, so that their direction stays
                (Pascanu et al. 2013, arXiv 1211.5063). None for any.

        Returns:
            The summed gradients that there are, before they are scaled.
        """
        context = tf.distribute.get_replica_context()
        present = [(v, tf.convert_to_tensor(g)) for v, g in zip(self.variables, gradients, strict=True) if g is not None]
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, [g for _, g in present])
        scaled = summed
        if max_norm is not None:
            scaled, _ = tf.clip_by_global_norm(summed, max_norm)  # all nan if one is not finite, which stops the run
        gradient_of = dict(zip((v.ref() for v, _ in present), scaled, strict=True))
        rates, count = self.learning_rates(step), tf.cast(step + 1, tf.float32)
        beta_powers = (tf.pow(self.beta_1, count), tf.pow(self.beta_2, count))
        for update in self.updates:
            if update.variable.ref() in gradient_of:
                gradient = gradient_of[update.variable.ref()]
                arguments = (update.m, update.v, gradient, rates[update.group], *beta_powers)
                context.merge_call(self._update, args=(update.variable, arguments, update.decay))
        return list(summed)

    def _update(
        self, strategy: tf.distribute.Strategy, variable: tf.Variable, arguments: tuple[tf.Tensor, ...], decay: float
    ) -> None:
        strategy.extended.update(variable, functools.partial(self._apply_adam, decay=decay), args=arguments)

    def _apply_adam(
        self,
        variable: tf.Variable,
        m: tf.Variable,
        v: tf.Variable,
        gradient: tf.Tensor,
        rate: tf.Tensor,
        beta_1_power: tf.Tensor,
        beta_2_power: tf.Tensor,
        decay: float,
    ) -> None:
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=m.handle, v=v.handle, beta1_power=beta_1_power, beta2_power=beta_2_power, lr=rate,
            beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon, grad=gradient,
        )  # fmt: skip
        if decay:
            variable.assign_sub(rate * decay * variable)
