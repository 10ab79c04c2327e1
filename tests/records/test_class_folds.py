import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.records.annotations import read_annotations
from vsim_tf.records.class_folds import class_folds

LABELED = Path(__file__).parents[2].parent / "shared/shortvideo/annotations/labeled.json"
CATEGORIES = ["0000"] * 7 + ["0100"] * 5 + ["0001"] * 10


def test_the_split_does_not_change():
    """Numbers of scikit-learn 1.9.1: with others, a run that resumes would validate on what it was trained on."""
    assert class_folds(CATEGORIES).fold_of.tolist() == [1, 4, 3, 1, 2, 0, 0, 1, 2, 4, 0, 3, 2, 4, 0, 3, 1, 3, 4, 2, 0, 1]


@given(st.lists(st.sampled_from("abcd"), min_size=5, max_size=60), st.integers(2, 5), st.integers(0, 99))
def test_every_class_has_its_share_of_each_fold(categories, num_folds, seed):
    counts = Counter(categories)
    if max(counts.values()) < num_folds:
        with pytest.raises(UserError, match=f"no class has {num_folds} videos"):
            class_folds(categories, num_folds, seed)
        return
    folds = class_folds(categories, num_folds, seed)
    for fold in range(num_folds):
        training, validation = folds.records(fold)
        assert sorted([*training, *validation]) == list(range(len(categories)))
        for category, count in counts.items():
            share = sum(categories[record] == category for record in validation)
            assert count // num_folds <= share <= -(-count // num_folds)
    np.testing.assert_array_equal(folds.fold_of, class_folds(categories, num_folds, seed).fold_of)


def test_names_of_classes_make_no_difference_but_the_seed_does():
    renamed = [{"0000": "9", "0100": "5", "0001": "7"}[category] for category in CATEGORIES]
    fold_of = class_folds(CATEGORIES).fold_of
    np.testing.assert_array_equal(class_folds(renamed).fold_of, fold_of)
    assert (class_folds(CATEGORIES, seed=803).fold_of != fold_of).any()


def test_a_full_fold_trains_on_all_and_validates_on_a_part_of_it():
    folds = class_folds(CATEGORIES)
    full, held_out = folds.records(0, full=True), folds.records(0)
    assert full.training.tolist() == list(range(22)) and full.validation.tolist() == held_out.validation.tolist()
    assert not set(held_out.training) & set(held_out.validation)


def test_small_classes_are_said(caplog):
    with caplog.at_level(logging.INFO):
        class_folds([*CATEGORIES, "0002"], label_file="labeled.json")
    assert caplog.messages == ["labeled.json: classes of fewer than 5 videos, which some folds do not validate on: 1: 0002"]


def test_refusals():
    with pytest.raises(UserError, match="num_folds is 1; at least 2"):
        class_folds(CATEGORIES, 1)
    with pytest.raises(UserError, match="labeled.json: no class has 5 videos, one for each fold, the largest has 0"):
        class_folds([], label_file="labeled.json")
    with pytest.raises(UserError, match="fold 5 does not exist; folds are 0 to 4"):
        class_folds(CATEGORIES).records(5)


@pytest.mark.skipif(not LABELED.exists(), reason="the short-video set is not here")
def test_short_video_set():
    folds = class_folds([annotation.category for annotation in read_annotations(LABELED, labelled=True)])
    assert np.bincount(folds.fold_of).tolist() == [520] * 5
