"""The registered splits: one interface, and a folder for each."""

import pytest
from script_flags import refused

from vsim_tf.io.paths import folds_folder
from vsim_tf.records.labels import Pair
from vsim_tf.records.splits import SPLITS, make_split

PAIRS = [Pair(str(number), str(number + 7 * (number % 3 == 0)), 0.5) for number in range(40)]


def test_the_folds_of_2021():
    assert {name: kind.num_folds for name, kind in SPLITS.items()} == {"shuffled": 11, "modulo": 5}


@pytest.mark.parametrize("name", SPLITS)
def test_training_and_validation_are_all_pairs_of_every_split(name):
    split = make_split(name, PAIRS, 4)
    assert sorted(split.pairs) == sorted(PAIRS) and split.num_folds == 4
    for fold, order in enumerate(split.training_orders()):
        assert sorted(order) == sorted(split.training(fold))
        assert sorted((*order, *split.validation(fold))) == sorted(PAIRS)
        assert set(split.always_train()) <= set(order) and split.validation(fold)
    assert len({split.folder(fold) for fold in range(4)}) == 4


def test_each_split_has_its_folder():
    assert [str(folds_folder("output", name)) for name in SPLITS] == ["output/folds", "output/folds_modulo"]
    assert folds_folder("output") == folds_folder("output", "shuffled")


def test_an_unknown_split():
    with refused("--split is 'odd'; expected one of shuffled, modulo"):
        make_split("odd", PAIRS)
