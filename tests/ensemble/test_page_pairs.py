"""Sections on a small set of embeddings."""

import dataclasses

import numpy as np
import pytest
from ensemble_members import PAIRS, random_members
from html_pages import parsed

from vsim_tf.ensemble.page.blocks import Figure, Gallery, Page, Text
from vsim_tf.ensemble.page.pairs import NO_PAIRS, PairResults, pair_results, pair_sections, rank_errors
from vsim_tf.ensemble.page.render import page_html
from vsim_tf.ensemble.scored import ensemble_run
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record

WEIGHTS = {"one": 0.5, "two": 0.5}
HEADINGS = [
    "Predicted and human similarity", "Gain of each member", "Correlation of members", "Largest rank errors",
    "Nearest neighbours",
]  # fmt: skip


@pytest.fixture
def members():
    found, _ = random_members(3)
    return {"one": found[:2], "two": found[2:]}


@pytest.fixture
def files(tmp_path):
    write_records(tmp_path / "a.tfrecords", [video_record(f"v{n}", f"<b>title {n}</b>", np.zeros((1, 4))) for n in range(6)])
    return [str(tmp_path / "a.tfrecords")]


def results_by(members, weights, pairs, method: str = "sum") -> PairResults:
    """Of an ensemble that has kept its means."""
    combination = {"method": method, "normalize": False, "center": False}
    return pair_results(ensemble_run(members, weights, pairs, **combination, keep_means=True), pairs, combination)


@pytest.mark.parametrize("method", ["sum", "svd"])
def test_every_section(members, files, method):
    results = results_by(members, WEIGHTS, PAIRS, method)
    sections = pair_sections(results, files)
    assert [section.heading for section in sections] == HEADINGS
    page = parsed(page_html(Page("Report", sections)))
    assert page.tags["svg"] == 3
    assert "<b>title 0</b>" in page.texts and "people" in page.texts
    assert len(sections[-1].blocks[1].cards) == 6


def test_the_ensemble_is_that_of_the_report(members):
    results = results_by(members, WEIGHTS, PAIRS)
    expected = ensemble_run(members, WEIGHTS, PAIRS)
    np.testing.assert_array_equal(results.ensemble.values, expected.embeddings.values)
    assert results.spearman_of(WEIGHTS) == expected.scores.spearman
    assert results.spearman_of({"two": 1.0}) == expected.models[1].mean_score


@pytest.mark.parametrize("pairs", [PAIRS[:1], [Pair("v0", "v1", 0.5), Pair("v1", "v2", 0.5)]])
def test_pairs_that_are_not_ranked(members, files, pairs):
    *others, neighbours = pair_sections(results_by(members, WEIGHTS, pairs), files)
    assert [list(section.blocks) for section in others] == [[Text(NO_PAIRS)]] * 4
    assert isinstance(neighbours.blocks[1], Gallery)


def test_without_labels_there_are_neighbours_alone(members, files):
    (neighbours,) = pair_sections(results_by(members, WEIGHTS, []), files)
    assert isinstance(neighbours.blocks[1], Gallery)


def test_one_member_has_no_gain(members, files):
    sections = pair_sections(results_by({"one": members["one"]}, {"one": 1.0}, PAIRS), [])
    assert sections[1].blocks == [Text("Gains are left out: the ensemble has a single member.")]
    assert isinstance(sections[2].blocks[0], Figure)


def results_of(cosines: list[float], human: list[float]) -> PairResults:
    """Each pair has a video of its own at the angle of its cosine to the first video."""
    ids = [f"v{number}" for number in range(len(cosines) + 1)]
    values = np.array([[1.0, 0.0], *([cosine, np.sqrt(1 - cosine**2)] for cosine in cosines)])
    pairs = [Pair("v0", f"v{number}", value) for number, value in enumerate(human, 1)]
    return PairResults({"one": Embeddings(ids, values)}, {"one": 1.0}, Embeddings(ids, values), pairs)


def test_the_largest_rank_errors():
    """Ranks by people are 0, 1/3, 2/3, 1, and by cosine 1, 1/3, 0, 2/3: too high by 1, 0, too low by 2/3 and 1/3."""
    errors = rank_errors(results_of([0.9, 0.2, 0.1, 0.5], [0.0, 0.2, 0.7, 0.9]))
    assert [error.pair.id_2 for error in errors] == ["v1", "v3", "v4"]
    assert [error.error for error in errors] == pytest.approx([1, -2 / 3, -1 / 3])
    assert [error.cosine for error in errors] == pytest.approx([0.9, 0.1, 0.5])
    assert len(rank_errors(results_of([0.9, 0.2, 0.1, 0.5], [0.0, 0.2, 0.7, 0.9]), 1)) == 2


def test_a_pair_that_is_there_in_both_orders_is_shown_once():
    results = results_of([0.9, 0.2], [0.0, 1.0])
    pairs = [*results.pairs, *(Pair(pair.id_2, pair.id_1, pair.similarity) for pair in results.pairs)]
    errors = rank_errors(dataclasses.replace(results, pairs=pairs))
    assert [(error.pair.id_1, error.pair.id_2, error.error) for error in errors] == [("v0", "v1", 1), ("v0", "v2", -1)]


def test_ranks_that_agree_have_no_errors(files):
    sections = pair_sections(results_of([0.1, 0.5], [0.0, 1.0]), files)
    assert sections[3].blocks == [Text("The ensemble ranks all pairs as people do.")]


def test_embeddings_that_are_all_the_same():
    """Of the ensemble: nothing is ranked. Of one member: its correlations are left blank."""
    assert pair_sections(results_of([0.5, 0.5], [0.0, 1.0]), [])[3].blocks == [Text(NO_PAIRS)]
    results = results_of([0.1, 0.5, 0.3], [0.0, 1.0, 0.4])
    same = Embeddings(results.ensemble.ids, np.ones((4, 2)))
    members = {**results.members, "two": same}
    sections = pair_sections(dataclasses.replace(results, members=members, weights={"one": 1.0, "two": 0.0}), [])
    assert sections[1].blocks == [Text("Gains are left out: the ensemble has a single member.")]
    assert sections[2].blocks[0].svg.count(">1.00</text>") == 4


def test_many_pairs_are_drawn_as_their_density():
    rng = np.random.default_rng(3)
    few, many = (pair_sections(results_of(*rng.uniform(size=(2, count)).tolist()), [])[0].blocks[0] for count in (300, 301))
    assert few.svg.count("<use") == 300 and "colour" not in few.caption
    assert many.svg.count("<use") < 301 and "stronger colour where there are more" in many.caption
