import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.records.folds import split_pairs
from vsim_tf.records.labels import Pair


def make_pairs(count):
    return [Pair(str(i), str(-i), (i % 21) / 20) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "num_folds", "fold_size", "rest"),
    [
        (66_000, 11, 6000, 0),
        (67_899, 11, 6000, 1899),
        (65_999, 11, 5999, 10),
        (67_899, 10, 6789, 9),
        (11, 11, 1, 0),
        (7, 2, 3, 1),
    ],
)
def test_fold_size(count, num_folds, fold_size, rest):
    folds = split_pairs(make_pairs(count), num_folds)
    assert folds.fold_size == fold_size and len(folds.always_train()) == rest
    assert folds.folder(1) == f"{fold_size}-{2 * fold_size - 1}val"


def test_every_pair_validates_once_or_always_trains():
    pairs = make_pairs(47)
    folds = split_pairs(pairs, 5)
    parts = [folds.validation(fold) for fold in range(5)] + [folds.always_train()]
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    for fold, order in enumerate(folds.training_orders()):
        assert sorted(order) == sorted(set(pairs) - set(folds.validation(fold)))


def test_one_generator_runs_through_all_shuffles():
    pairs = make_pairs(23)
    generator = random.Random(5)
    shuffled = list(pairs)
    generator.shuffle(shuffled)
    folds = split_pairs(pairs, 4, seed=5)
    for fold, order in enumerate(folds.training_orders()):
        expected = shuffled[: 5 * fold] + shuffled[5 * fold + 5 :]
        generator.shuffle(expected)
        assert order == expected


def test_the_given_list_and_the_global_generator_stay_as_they_are():
    pairs, state = make_pairs(20), random.getstate()
    list(split_pairs(pairs, 3).training_orders())
    assert pairs == make_pairs(20) and random.getstate() == state


@pytest.mark.parametrize(("count", "num_folds"), [(10, 11), (0, 2), (5, 1), (5, 0)])
def test_too_few(count, num_folds):
    with pytest.raises(UserError, match="folds"):
        split_pairs(make_pairs(count), num_folds)


@pytest.mark.parametrize("fold", [-1, 3])
def test_no_such_fold(fold):
    with pytest.raises(UserError, match="folds are 0 to 2"):
        split_pairs(make_pairs(9), 3).validation(fold)


@given(num_folds=st.integers(2, 12), count=st.integers(0, 60), seed=st.integers(0, 9))
def test_no_pair_is_trained_on_and_validated_on(num_folds, count, seed):
    pairs = make_pairs(count)
    if count < num_folds:
        with pytest.raises(UserError, match=f"{count} pairs cannot fill {num_folds} folds"):
            split_pairs(pairs, num_folds, seed)
        return
    folds = split_pairs(pairs, num_folds, seed)
    for fold, order in enumerate(folds.training_orders()):
        training, validation = set(order), set(folds.validation(fold))
        assert not training & validation and training | validation == set(pairs)
        assert training == set(folds.training(fold)) and len(order) == len(training) and validation
