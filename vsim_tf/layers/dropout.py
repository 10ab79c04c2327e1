"""Dropout (Srivastava et al. 2014) that draws another mask on every replica."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.replicas import replica_index
from vsim_tf.types import Tensor

SEED_STRIDE = 1_000_003
"""Distance of the seeds of neighbouring replicas: any odd number serves, layers have random seeds."""


class ReplicaSeedGenerator(keras.random.SeedGenerator):
    """Keras' generator, whose seeds differ between replicas; those of the first replica are Keras' own.

    The state is a mirrored variable that all replicas advance alike, so it is one value in a checkpoint.
    """

    def next(self, ordered: bool = True) -> Tensor:
        """The next seed, `[2]` integers."""
        seed = super().next(ordered)
        index = replica_index()
        if isinstance(index, int) and index == 0:
            return seed
        return seed + ops.cast(ops.stack([ops.cast(index, seed.dtype) * SEED_STRIDE, 0]), seed.dtype)


class DrawnSeed(keras.random.SeedGenerator):
    """A seed that was drawn before, where Keras wants a generator: every mask made with it is the same."""

    def __init__(self, seed: Tensor):
        self.seed = seed

    def next(self, ordered: bool = True) -> Tensor:
        """The seed."""
        del ordered
        return self.seed


class Dropout(keras.layers.Layer):
    """Keras' Dropout with a `ReplicaSeedGenerator`: `[...]` to the same shape; in training alone, and not at rate 0."""

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = ReplicaSeedGenerator() if rate > 0 else None
        self.supports_masking = True
        self.built = True

    def draw_seed(self) -> Tensor | None:
        """The seed of the next mask, for a call that is repeated; None at rate 0."""
        return self.seed_generator.next() if self.seed_generator else None

    def call(self, inputs: Tensor, training: bool = False, seed: Tensor | None = None) -> Tensor:
        """The inputs with some of them dropped, by the next mask or by that of a drawn seed."""
        if training and self.rate > 0:
            return keras.random.dropout(inputs, self.rate, seed=self.seed_generator if seed is None else DrawnSeed(seed))
        return inputs
