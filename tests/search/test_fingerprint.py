"""Fingerprints of real models: equal for the same weights, different for others."""

import pytest
from toy_runs import make_classifier, make_run

import vsim_tf
from vsim_tf.search.fingerprint import TOLERANCE, fingerprint_of, is_same


@pytest.fixture(scope="module")
def fingerprints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = {seed: make_run(folder / f"uniter-{seed}", "uniter", seed) for seed in (0, 1)}
    runs["pictures"] = make_classifier(folder / "wbdc_1", "wbdc_1", 0)
    return {name: fingerprint_of(vsim_tf.load(run)) for name, run in runs.items()} | {
        "again": fingerprint_of(vsim_tf.load(runs[0], precision="mixed_bfloat16"))
    }


def test_three_videos_that_differ(fingerprints):
    for fingerprint in fingerprints.values():
        assert fingerprint.shape[0] == 3 and not is_same(fingerprint[:2], fingerprint[1:])


def test_the_same_weights_have_the_same_fingerprint(fingerprints):
    assert is_same(fingerprints[0], fingerprints["again"])
    assert not is_same(fingerprints[0], fingerprints[1])


def test_the_largest_distance_counts():
    assert is_same([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0 - TOLERANCE / 2]])
    assert not is_same([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0 - 2 * TOLERANCE]])
