"""What classifiers start from."""

import numpy as np
import pytest
import toys

from vsim_tf.training.classification import random_weights

STAGE = toys.stage(3, ("wbdc_1", "stage"), seed=5)


@pytest.fixture(scope="module")
def first():
    return random_weights(toys.model("wbdc_1"), STAGE, 0)


def test_random_weights_are_those_of_the_run(first):
    again = random_weights(toys.model("wbdc_1"), STAGE, 0)
    assert first.keys() == again.keys()
    for name, weight in first.items():
        np.testing.assert_array_equal(weight, again[name])


@pytest.mark.parametrize("other", [{"run": 1}, {"seed": 6}, {"name": "wbdc_4"}], ids=str)
def test_another_run_model_or_seed_has_others(first, other):
    model = toys.model("wbdc_1").replace(name=other.get("name", "wbdc_1"))
    found = random_weights(model, STAGE.replace(seed=other.get("seed", 5)), other.get("run", 0))
    drawn = "encoder/embedding/word"
    assert found.keys() == first.keys() and np.abs(found[drawn] - first[drawn]).max() > 0.01
