"""First weights that Keras has no name for."""

from typing import TYPE_CHECKING

from vsim_tf.lazy import keras

if TYPE_CHECKING:
    from keras.initializers import Initializer


def torch_uniform_kernel() -> "Initializer":
    """U(±1/√fan_in) of a Dense kernel `[fan_in, units]`: the default of PyTorch's Linear (docs/facts_rank1.md 3)."""
    # Keras draws from ±√(3·scale/fan_in)
    return keras.initializers.VarianceScaling(scale=1 / 3, mode="fan_in", distribution="uniform")


def torch_uniform_bias(fan_in: int) -> "Initializer":
    """U(±1/√fan_in) of the bias `[units]` that belongs to such a kernel; a bias alone does not say what its fan-in is."""
    limit: float = fan_in**-0.5
    return keras.initializers.RandomUniform(-limit, limit)
