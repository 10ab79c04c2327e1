"""Folds by the remainders of ids: members, order, and what cannot be split so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from script_flags import refused

from vsim_tf.errors import UserError
from vsim_tf.records.folds_modulo import split_by_modulo
from vsim_tf.records.labels import Pair


def make_pairs(*ids: tuple[object, object]) -> list[Pair]:
    return [Pair(str(first), str(second), 0.5) for first, second in ids]


def test_both_ids_decide():
    """Modulo 2: 4, 6 and 3, 5 validate; 4 with 5 trains always, in either order."""
    pairs = make_pairs((4, 5), (4, 6), (3, 5), (5, 4), (3, 3))
    folds = split_by_modulo(pairs, 2)
    assert folds.validation(0) == (pairs[1],) and folds.validation(1) == (pairs[2], pairs[4])
    assert folds.always_train() == (pairs[0], pairs[3])
    assert folds.training(0) == (pairs[0], *pairs[2:]) and folds.training(1) == (*pairs[:2], pairs[3])
    assert list(folds.training_orders()) == [list(folds.training(fold)) for fold in (0, 1)]
    assert folds.folder(1) == "fold-01"


IDS = st.integers(-(2**63), 2**64)


@given(ids=st.lists(st.tuples(IDS, IDS), min_size=5, max_size=30), num_folds=st.integers(2, 5))
def test_every_pair_validates_once_or_always_trains(ids, num_folds):
    pairs = make_pairs(*[(k, k + num_folds) for k in range(num_folds)], *ids)
    folds = split_by_modulo(pairs, num_folds)
    parts = [folds.validation(fold) for fold in range(num_folds)] + [folds.always_train()]
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    for fold in range(num_folds):
        assert all({int(pair.id_1) % num_folds, int(pair.id_2) % num_folds} == {fold} for pair in folds.validation(fold))
        assert list(folds.training(fold)) == [pair for pair in pairs if pair not in folds.validation(fold)]


def test_ids_of_19_digits_are_not_rounded():
    """As a float, 9007199254740993 and 2^63 - 1 would each become even."""
    pairs = make_pairs((9007199254740993, 2**63 - 1), (2, 4))
    assert split_by_modulo(pairs, 2).validation(1) == (pairs[0],)


@pytest.mark.parametrize("video_id", ["v7", "1_0", "7.0", "٣", "+1", "0x1f", "9" * 5000])
def test_an_id_that_is_no_integer_is_named_with_its_line(video_id):
    pairs = make_pairs((1, 3), (2, 4), (5, video_id), ("other", 1))
    with refused(rf"^label.tsv, line 3: the id {video_id!r:.30}.* is no integer, which --split=modulo needs".replace("+", "\\+")):
        split_by_modulo(pairs, 2, "label.tsv")


def test_a_fold_without_validation_pairs():
    with refused(r"label.tsv: no pair has two ids that are 1 modulo 3, .* give fewer folds \(--num_folds\), or --split=shuffled"):
        split_by_modulo(make_pairs((0, 3), (1, 2), (2, 5), (4, 5)), 3, "label.tsv")


@pytest.mark.parametrize("num_folds", [0, 1, 3])
def test_too_few(num_folds):
    with pytest.raises(UserError, match="folds"):
        split_by_modulo(make_pairs((0, 2), (1, 3)), num_folds)


def test_no_such_fold():
    folds = split_by_modulo(make_pairs((0, 2), (1, 3)), 2)
    for part in (folds.validation, folds.training):
        with pytest.raises(UserError, match="fold 2 does not exist; folds are 0 to 1"):
            part(2)
