"""First weights as PyTorch's Linear draws them."""

import keras
import numpy as np
import pytest

from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel


@pytest.mark.parametrize("fan_in", [64, 256])
def test_kernel_and_bias_are_uniform_within_one_over_the_root_of_the_fan_in(fan_in):
    """Bounds 1/√64 = 0.125 and 1/√256 = 0.0625; a uniform distribution of half-width b has the deviation b/√3."""
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(2000, kernel_initializer=torch_uniform_kernel(), bias_initializer=torch_uniform_bias(fan_in))
    dense.build((None, fan_in))
    bound = {64: 0.125, 256: 0.0625}[fan_in]
    for weight in (dense.kernel.numpy(), dense.bias.numpy()):
        assert 0.99 * bound < weight.max() <= bound and -bound <= weight.min() < -0.99 * bound
        np.testing.assert_allclose(weight.std(), bound / np.sqrt(3), rtol=0.03)
        assert abs(weight.mean()) < 0.05 * bound
