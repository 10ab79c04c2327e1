"""Pixel values of pictures, and which blocks of a tower are trained."""

import numpy as np
import pytest
import toy_towers

from vsim_tf.layers.vision_tower import pixel_values


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pixel_values(dtype):
    """255 of red is (1 − 0.485) / 0.229, 51 of green (0.2 − 0.456) / 0.224, 0 of blue −0.406 / 0.225."""
    values = np.asarray(pixel_values(np.array([[[255, 51, 0]]], dtype)))
    np.testing.assert_allclose(values[0, 0], [0.515 / 0.229, (0.2 - 0.456) / 0.224, -0.406 / 0.225], rtol=1e-6)
    assert values.dtype == np.float32


@pytest.mark.parametrize("trained", [-1, 0, 1, 2])
def test_trained_blocks(trained):
    """Of two blocks of 12 weights each (query, key and value are one) the last ones, or everything: 3 + 4 more."""
    tower = toy_towers.built_tower(toy_towers.CONFIG.replace(trainable_blocks=trained))
    blocks = {variable.path.split("/")[1] for variable in tower.trainable_variables}
    assert len(tower.weights) == 31
    if trained == -1:
        assert len(tower.trainable_variables) == 31
    else:
        assert blocks == {f"block_{number}" for number in range(2 - trained, 2)}
