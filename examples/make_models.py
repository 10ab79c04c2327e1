"""The small models that come with the package, made again: each trained on demo data, by the scripts of the repository.

    python examples/make_models.py

For each system one model is trained (fold 0), saved into vsim_tf/pretrained/SYSTEM, and its card says what it scores on demo data
next to the baselines of the report. Seeds are fixed; another processor rounds differently, so that scores differ a little.
"""

import argparse
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import vsim_tf

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "vsim_tf/pretrained"


class Recipe(NamedTuple):
    """How the model of a system is trained: its name, flags of run.sh in addition to the demo's own, and the run of its tower."""

    model: str
    flags: tuple[str, ...]
    tower: str = ""


def encoder(hidden_size: int) -> str:
    """Flags of an encoder so small that it fits into a repository."""
    values = {"hidden_size": hidden_size, "intermediate_size": 4 * hidden_size, "max_positions": 64}
    return " ".join(f"--set=model.encoder.{name}={value}" for name, value in values.items())


def steps(count: int) -> str:
    return f"--total_steps={count} --bert_total_steps={count}"


PRETRAINING = f"--pretrain_flags={encoder(96)} {steps(640)} --eval_freq=640 --print_freq=80"
TOWER = "--set=model.frames.dim=80 --set=model.tower.hidden_size=80 --set=model.tower.intermediate_size=320"
RECIPES = {
    "aiac2021_rank4": Recipe("uniter", (PRETRAINING, f"--finetune_flags={steps(96)} --eval_freq=24 --print_freq=24")),
    "aiac2021_rank1": Recipe("qq_job2", (PRETRAINING, f"--finetune_flags={steps(240)} --print_freq=24")),
    "wbdc2022_rank8": Recipe(
        "wbdc_1",
        (
            "--frame_embedding_size=80", f"--pretrain_flags={encoder(80)}", f"--tower_flags={TOWER}",
            "--finetune_flags=--frames=features",
        ),
        tower="wbdc_clip/pretrain",
    ),
}  # fmt: skip


def make(system: str, work: Path) -> Path:
    """Trains and saves the model of a system; returns its folder."""
    recipe, output, saved = RECIPES[system], work / system, work / "saved" / system
    given = [f"--system={system}", f"--output_dir={output}", f"--models={recipe.model}", "--folds=0", "--jobs=1"]
    subprocess.run(["sh", "run.sh", *given, *recipe.flags], cwd=ROOT, check=True)
    tower = output / recipe.tower if recipe.tower else None
    model = vsim_tf.load(output / recipe.model / "fold-00", clip_dir=tower)
    shutil.rmtree(saved, ignore_errors=True)
    model.save(saved)
    scores = pair_score(model) if not model.classes else class_score(model, output)
    card, said = saved / "README.md", section(scores, (output / "report.md").read_text(encoding="utf-8"))
    card.write_text(card.read_text(encoding="utf-8").replace("## Limits", f"{said}\n## Limits"), encoding="utf-8")
    shutil.rmtree(SHIPPED / system, ignore_errors=True)
    return Path(shutil.copytree(saved, SHIPPED / system))


def pair_score(model: vsim_tf.Model) -> tuple[str, float]:
    test_a = ROOT / "data/demo/test_a"
    evaluate = vsim_tf.SimilarityEvaluator(test_a / "label.tsv", test_a / "test_a.tfrecords")
    return "Spearman", evaluate(model)["spearman"]


def class_score(model: vsim_tf.Model, output: Path) -> tuple[str, float]:
    labels = ROOT / "data/demo_rank8/test_a_labels.tsv"
    evaluate = vsim_tf.ClassificationEvaluator(labels, output / "records/test_a/features.tfrecords")
    return "mean F1", evaluate(model)["mean_f1"]


def section(score: tuple[str, float], report: str) -> str:
    """What the card says of the score on demo data, with the baselines that the report has."""
    metric, value = score
    rows = [("this model", f"{value:.4f}"), *re.findall(r"^\| (baseline: [^|]+?) \|[ |]*([\d.]+) \|", report, re.MULTILINE)]
    table = "\n".join(f"| {name} | {number} |" for name, number in rows)
    return f"""## On demo data

This model is for trying the software. It was trained within minutes on demo data, which are made up: it knows nothing of real
videos, nor of the Chinese language.

| test_a of the demo data | {metric} |
| --- | ---: |
{table}

Made by `python examples/make_models.py` in the repository.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", choices=RECIPES, action="append", help="may be repeated; default: all")
    parser.add_argument("--work", type=Path, default=ROOT / "output/shipped", help="where the runs are left")
    options = parser.parse_args()
    for system in options.system or RECIPES:
        print(make(system, options.work.resolve()))


if __name__ == "__main__":
    main()
