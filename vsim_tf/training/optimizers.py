"""Adam over named groups of variables, each with its own schedule, under any tf.distribute strategy."""

import tensorflow as tf

from vsim_tf.config import Schedule


def learning_rate(schedule: Schedule, step: tf.Tensor) -> tf.Tensor:
    """Rate for the update after `step` completed ones: peak·i/warm-up, then linear to 0 at the horizon (2021 facts 4.2)."""
    i = tf.cast(step, tf.float32)
    warmup, horizon = float(schedule.warmup), float(schedule.horizon)
    rising = schedule.peak * (i / max(warmup, 1.0))
    falling = schedule.peak * (1.0 - (tf.minimum(i, horizon) - warmup) / (horizon - warmup))
    return tf.where(i < warmup, rising, falling)


class GroupAdam:
    """Adam (Kingma & Ba 2014, arXiv 1412.6980) in Keras' form: θ ← θ − lr·√(1−β₂ᵗ)/(1−β₁ᵗ)·m/(√v + ε).

    A variable that stands in several groups is updated once per group with the full gradient and moments of its own, in the order
    of the groups (quirk 1). Gradients are summed over replicas and made dense first: Keras 3's Adam squares repeated rows of a
    sparse embedding gradient one by one.

    Args:
        groups: variables of each group, in the order of their updates. Make the optimizer under the strategy's scope.
        schedules: learning rate of each group.
    """

    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, groups: dict[str, list], schedules: dict[str, Schedule]):
        self.schedules = schedules
        self.groups = {name: [v.value for v in variables] for name, variables in groups.items()}
        self.variables = list({v.ref(): v for group in self.groups.values() for v in group}.values())
        self.slots = {
            f"{name}/{variable.path}/{moment}": tf.Variable(tf.zeros_like(variable.value), trainable=False)
            for name, variables in groups.items()
            for variable in variables
            for moment in ("m", "v")
        }

    def learning_rates(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Rate of each group for the update after `step` completed ones."""
        return {name: learning_rate(schedule, step) for name, schedule in self.schedules.items()}

    def apply(self, gradients: list, step: tf.Tensor):
        """Sums this replica's gradients (one for each of `variables`, None where there is none) over replicas and applies them."""
        context = tf.distribute.get_replica_context()
        present = [(v, tf.convert_to_tensor(g)) for v, g in zip(self.variables, gradients) if g is not None]
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, [g for _, g in present])
        gradient_of = {v.ref(): g for (v, _), g in zip(present, summed)}
        rates, powers = self.learning_rates(step), tf.cast(step + 1, tf.float32)
        beta_powers = (tf.pow(self.beta_1, powers), tf.pow(self.beta_2, powers))
        moments = iter(zip(*[iter(self.slots.values())] * 2))
        for name, variables in self.groups.items():
            for variable in variables:
                m, v = next(moments)
                if variable.ref() in gradient_of:
                    arguments = (m, v, gradient_of[variable.ref()], rates[name], *beta_powers)
                    context.merge_call(self._update, args=(variable, arguments))

    def _update(self, strategy, variable, arguments):
        strategy.extended.update(variable, self._apply_adam, args=arguments)

    def _apply_adam(self, variable, m, v, gradient, rate, beta_1_power, beta_2_power):
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=m.handle, v=v.handle, beta1_power=beta_1_power, beta2_power=beta_2_power, lr=rate,
            beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon, grad=gradient,
        )  # fmt: skip
