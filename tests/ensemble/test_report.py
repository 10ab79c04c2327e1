import dataclasses
import io
import math

import pytest
from rich.console import Console

from vsim_tf.cli.setting_flags import with_flags
from vsim_tf.ensemble.comparison import ADVICE_FIELDS, scores_plot
from vsim_tf.ensemble.report import Report, markdown_report, write_report
from vsim_tf.ensemble.scores import ModelScores, SetScores, norm_note
from vsim_tf.ensemble.timings import Timing
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import PairScores

MODELS = [ModelScores("uniter", 0.4, [0.70, 0.72], 0.75), ModelScores("mix|x", 0.6, [0.60, 0.65], math.nan)]
SCORES = SetScores("test_a", MODELS, 0.79, {"mean frame cosine": 0.6081, "character TF-IDF cosine": 0.795}, 760, 1500)
UNLABELLED = SetScores("test_b", [ModelScores("uniter", 1.0, [], math.nan)], math.nan, num_videos=752)
REPORT = Report(
    "sh run.sh\n  --size=tiny",
    [SCORES, UNLABELLED],
    {"pre-training videos": 6082, "frames": "3 to 20"},
    [Timing("write folds", 3.21), Timing("pre-train", 3599.0)],
)


def scores_table(scores: SetScores) -> str:
    return scores.tables()[0].markdown()


def console_tables(scores: SetScores):
    return [table.console() for table in scores.tables()]


def verdict(scores: SetScores) -> str:
    return scores.comparison().verdict()


def advice(scores: SetScores) -> str:
    return scores.comparison().advice("try normalize=True")


def test_table_has_models_ensemble_and_baselines():
    assert scores_table(SCORES).splitlines() == [
        "| model | single fold (mean of 2) | 2-fold mean | weight | ensemble |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| uniter | 0.7100 | 0.7500 | 0.4 |  |",
        "| mix\\|x | 0.6250 | – | 0.6 |  |",
        "| ensemble |  |  | 1 | 0.7900 |",
        "| baseline: mean frame cosine |  |  |  | 0.6081 |",
        "| baseline: character TF-IDF cosine |  |  |  | 0.7950 |",
    ]


def test_smaller_embeddings_have_a_table():
    smaller = {"uniter": {128: 0.75, 64: 0.7}, "SVD": {128: 0.78, 64: math.nan}}
    *_, table = dataclasses.replace(SCORES, smaller=smaller).tables()
    assert table.markdown().splitlines() == [
        "| Spearman by the first | 128 | 64 |",
        "| --- | ---: | ---: |",
        "| uniter | 0.7500 | 0.7000 |",
        "| SVD | 0.7800 | – |",
    ]


def test_console_table_shows_the_same_numbers():
    console = Console(file=io.StringIO(), width=80)
    models = [*MODELS, ModelScores("a_model_with_a_long_name", 0.0, [0.5, 0.5], 0.5)]
    console.print(*console_tables(dataclasses.replace(SCORES, models=models)))
    text = console.file.getvalue()
    for shown in ("Spearman on test_a (1,500 pairs)", "mix|x", "a_model_with_a_long_name", "0.7900", "0.6081", "of 2)"):
        assert shown in text


MIXED = dataclasses.replace(
    SCORES, models=[*MODELS, ModelScores("a_model_with_a_long_name", 0.5, [0.5], 0.4)], concatenation=PairScores(0.8, 0.031235),
    ensemble_error=0.0401,
)  # fmt: skip


def test_models_of_different_numbers_of_folds_have_a_column_for_it():
    assert scores_table(MIXED).splitlines() == [
        "| model | folds | one fold (mean) | fold mean | weight | ensemble |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| uniter | 2 | 0.7100 | 0.7500 | 0.4 |  |",
        "| mix\\|x | 2 | 0.6250 | – | 0.6 |  |",
        "| a_model_with_a_long_name | 1 | 0.5000 | 0.4000 | 0.5 |  |",
        "| ensemble |  |  |  | 1.5 | 0.7900 |",
        "| baseline: mean frame cosine |  |  |  |  | 0.6081 |",
        "| baseline: character TF-IDF cosine |  |  |  |  | 0.7950 |",
    ]


def test_svd_has_a_second_table():
    """Of each model, the concatenation and its SVD; another ensemble has none."""
    table = """
| fold mean | Spearman | MSE to rank labels |
| --- | ---: | ---: |
| uniter | 0.7500 | 0.031000 |
| mix\\|x | – | – |
| concatenation | 0.8000 | 0.031235 |
| SVD | 0.7900 | 0.040100 |
"""
    models = [dataclasses.replace(MODELS[0], mean_error=0.031), MODELS[1]]
    assert table in markdown_report(Report("x", [dataclasses.replace(MIXED, models=models)]))
    assert "MSE" not in markdown_report(REPORT)
    console = Console(file=io.StringIO(), width=80)
    console.print(*console_tables(MIXED))
    for shown in ("a_model_with_a_long_name", "Errors on test_a", "concatenation", "0.031235", "0.040100"):
        assert shown in console.file.getvalue()


def test_norms_that_differ_are_said_with_what_to_do():
    """Of models that count: 3 times is no difference yet."""
    models = [
        ModelScores(name, weight, [], math.nan, norm=norm) for name, weight, norm in (("a", 1, 6), ("b", 1, 2), ("c", 0, 1))
    ]
    assert norm_note(models) == norm_note([]) == norm_note(MODELS) == ""
    note = norm_note([*models, ModelScores("d", 0.1, [], math.nan, norm=1.9)])
    assert note.startswith("The embeddings of the models differ in their mean norm (a 6, b 2, d 1.9): in the sum a model counts")
    assert "--normalize makes it count by its weight alone" in with_flags(note, ADVICE_FIELDS)
    report = markdown_report(Report("x", [dataclasses.replace(SCORES, notes=(note,))]))
    assert f"\n\n{note}.\n" in report


def test_verdict_compares_with_the_best():
    assert verdict(SCORES) == (
        "The ensemble is 0.0400 above the best model (uniter) and 0.0050 below the best baseline (character TF-IDF cosine)."
    )
    assert verdict(UNLABELLED) == "There is nothing to compare the ensemble with."


def test_an_ensemble_below_its_best_model_is_said_with_what_to_do():
    assert advice(SCORES) == advice(UNLABELLED) == ""
    weak = dataclasses.replace(SCORES, ensemble_score=0.74)
    said = with_flags(advice(weak), ADVICE_FIELDS)
    assert said.startswith("The ensemble scores 0.7400 on test_a, below 0.7500 of uniter alone: leave weak models out with --mod")
    assert said.endswith("or try --normalize; --models=uniter makes the zip of that model")
    assert "\n" not in said
    assert advice(dataclasses.replace(SCORES, ensemble_score=math.nan)) == ""
    assert advice(dataclasses.replace(SCORES, models=[])) == ""


def test_markdown_has_every_part():
    text = markdown_report(REPORT, "report.png")
    for part in (
        "\n    sh run.sh\n      --size=tiny\n",
        "![",
        "(report.png)",
        "## test_a: 760 videos, 1,500 labelled pairs",
        scores_table(SCORES),
        verdict(SCORES),
        "## test_b: 752 videos, 0 labelled pairs\n\nNo labels, so no scores.",
        "| pre-training videos | 6,082 |",
        "| frames | 3 to 20 |",
        "| write folds | 3.2 s |",
        "| pre-train | 59 min 59 s |",
        "| total | 1 h 00 min |",
    ):
        assert part in text
    bare = markdown_report(Report("x", []))
    assert "##" not in bare and "![" not in bare


def test_write_report_makes_page_and_plot(tmp_path):
    write_report(tmp_path / "new" / "report.md", REPORT)
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["report.md", "report.png"]
    assert (tmp_path / "new" / "report.md").read_text(encoding="utf-8") == markdown_report(REPORT, "report.png")
    assert (tmp_path / "new" / "report.png").read_bytes().startswith(b"\x89PNG")
    write_report(tmp_path / "bare" / "report.md", Report("x", [UNLABELLED]))
    assert [file.name for file in (tmp_path / "bare").iterdir()] == ["report.md"]
    with pytest.raises(UserError, match="cannot be written"):
        write_report(tmp_path / "new" / "report.md" / "report.md", REPORT)


def test_plot_shows_every_score():
    (axes,) = scores_plot([SCORES.comparison()]).axes
    folds, means = (collection.get_offsets() for collection in axes.collections)
    assert sorted(folds[:, 0].tolist()) == [0.60, 0.65, 0.70, 0.72]
    assert means[0].tolist() == [0.75, 0]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.79, 0.6081, 0.795]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["uniter", "mix|x"]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "ensemble 0.7900" in labels and "mean frame cosine 0.6081" in labels
