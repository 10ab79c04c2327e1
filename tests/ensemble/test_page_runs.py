"""Curves, times, versions and seeds of runs."""

import json
from pathlib import Path

import pytest
import toys
from html_pages import parsed

from vsim_tf import __version__
from vsim_tf.ensemble.curves import read_curve
from vsim_tf.ensemble.page.blocks import Page, Panels, Text
from vsim_tf.ensemble.page.plots import POINTS, learning_curves
from vsim_tf.ensemble.page.render import page_html
from vsim_tf.ensemble.page.runs import Runs, run_sections
from vsim_tf.ensemble.timings import Timing
from vsim_tf.runs.run_folder import RunSettings, prepare_run_folder

LINES = [
    {"step": 0, "validation/spearman": 0.1}, {"step": 2, "loss": 1.5}, {"step": 3, "validation/spearman": None},
    {"step": 4, "loss": 1.25}, {"step": 6, "validation/spearman": 0.4, "validation/mse": 0.2},
]  # fmt: skip


def make_run(folder: Path, seed: int) -> Path:
    stage = toys.stage(changes={"seed": seed})
    prepare_run_folder(folder, RunSettings("pair", toys.model("uniter"), stage, toys.TOKENIZERS["bert"], toys.TAGS, {}), False)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return folder


@pytest.fixture
def runs(tmp_path):
    folders = [make_run(tmp_path / f"fold-{fold:02d}", 40 + fold) for fold in (0, 1)]
    return [Runs("uniter", "pre-training", [tmp_path / "pretrain"]), Runs("uniter", "fine-tuning", [*folders, tmp_path / "none"])]


def test_curves_have_the_steps_that_have_a_value(tmp_path):
    path = make_run(tmp_path / "run", 1) / "metrics.jsonl"
    assert read_curve(path, "loss") == [(2, 1.5), (4, 1.25)]
    assert read_curve(path, "validation/spearman") == [(0, 0.1), (6, 0.4)]
    assert read_curve(tmp_path / "none.jsonl", "loss") == []
    path.write_text(f'{{"step": {10**400}, "loss": 1}}\n{{"step": 1, "loss": {10**400}}}\n{{"step": true, "loss": 1}}\n')
    assert read_curve(path, "loss") == []


def test_every_section(runs):
    """Loss and the metric that chooses checkpoints, two runs in each; pre-training is not there."""
    sections = run_sections(runs, "sh run.sh '--size=<tiny>'", [Timing("fine-tuning", 61, 2e9)])
    assert [section.heading for section in sections] == ["Learning curves", "Time and memory", "Command, versions and seeds"]
    missing, said, panels = sections[0].blocks
    assert (missing, said) == (Text("No curves of pre-training."), Text("Fine-tuning, a line for each run:"))
    assert [figure.caption for figure in panels.figures] == [
        "uniter, fine-tuning: training loss", "uniter, fine-tuning: spearman at validation"
    ]  # fmt: skip
    assert all(figure.svg.count("stroke: var(--first)") >= 2 for figure in panels.figures)
    page = parsed(page_html(Page("Report", sections)))
    for text in ("1 min 01 s", "2.0 GB", "sh run.sh '--size=<tiny>'", __version__, "tensorflow", "40, 41"):
        assert text in page.texts, text


def test_nothing_known_of_runs_and_times():
    curves, times, origin = run_sections([], "x", [])
    assert curves.blocks == []
    assert times.blocks == [Text("Left out: run.sh, which notes the time of each stage, has not made this output.")]
    assert len(origin.blocks) == 3


def test_a_damaged_log_costs_the_curves_alone(runs, caplog):
    (runs[1].folders[1] / "metrics.jsonl").write_text("{\n")
    curves, _, origin = run_sections(runs, "x", [])
    assert curves.blocks[0].text.startswith("Left out: ") and "metrics.jsonl, line 1" in curves.blocks[0].text
    assert not any(isinstance(block, Panels) for block in curves.blocks)
    assert len(origin.blocks) == 4


def test_long_curves_are_thinned():
    long = [(step, float(step % 7)) for step in range(0, 60_000, 10)]
    short = learning_curves("A", "a", [long[:POINTS]]).svg
    assert len(learning_curves("A", "a", [long]).svg) < 2 * len(short)
