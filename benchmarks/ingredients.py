"""What each ingredient of a better recipe does to Spearman: python -m benchmarks.ingredients DATA_DIR OUTPUT_DIR

Three models and three seeds are trained by the 2021 recipe, and again with one ingredient changed at a time, at equal steps, with
the flags of `run.sh` for demo data and those of docs/results.md for any other; test_a is scored. A training that is there
already is not trained again. The table gives differences of Spearman of the mean embedding of three folds, in ten-thousandths.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from vsim_tf.ensemble.find import find_members
from vsim_tf.ensemble.scored import ensemble_run
from vsim_tf.errors import UserError
from vsim_tf.presets.registry import preset
from vsim_tf.records.labels import read_labels

SEEDS, MODELS, FOLDS = (1, 2, 3), ("uniter", "mix_nextvlad", "mix_nextvlad_roformer"), (0, 1, 2)


class Flags(NamedTuple):
    """How models are trained on a data set."""

    frame_embedding_size: int
    pretraining: str
    finetuning: str
    finetuning_steps: int


CONTEST = Flags(
    256,
    "--bert_seq_length=20 --max_frames=16 --batch_size=64 --val_batch_size=256 --total_steps=1500 --eval_freq=1500"
    " --lr=3e-3 --warmup_steps=10 --bert_total_steps=1500 --bert_lr=1e-3 --bert_warmup_steps=200",
    "--batch_size=32 --val_batch_size=256 --total_steps=100 --eval_freq=100 --print_freq=20"
    " --lr=2e-4 --warmup_steps=10 --bert_total_steps=100 --bert_lr=5e-5 --bert_warmup_steps=10",
    100,
)
DEMO = Flags(
    128,
    "--bert_seq_length=16 --max_frames=8 --batch_size=64 --val_batch_size=256 --total_steps=320 --eval_freq=320 --print_freq=40"
    " --lr=4e-3 --warmup_steps=10 --bert_total_steps=320 --bert_lr=1e-3 --bert_warmup_steps=80",
    "--batch_size=32 --val_batch_size=256 --total_steps=48 --eval_freq=48 --print_freq=12"
    " --lr=1e-3 --warmup_steps=4 --bert_total_steps=48 --bert_lr=5e-4 --bert_warmup_steps=4",
    48,
)
HORIZON_OF_2021 = 40_000 / 3_000
"""Horizon of the encoder's schedule in fine-tuning, in steps that are made."""

PAIR_LOSSES = ("mse", "pearson", "cosent", "combinations")

INGREDIENTS = {
    "padding ignored": ("padding", "base"),
    "gradients clipped to norm 1": ("clipped", "base"),
    "encoder schedule ends with the run": ("base", "horizon of 2021"),
    "rank labels": ("rank", "base"),
    "categories as tags": ("categories", "base"),
    "linear embedding": ("linear", "base"),
    "`plus`: all that is kept": ("plus", "base"),
    "`plus`, not without categories": ("plus", "plus without categories"),
    "`plus`, not without linear embedding": ("plus", "plus without linear"),
    "`plus`, not with MLM as in 2021": ("plus", "plus with MLM of 2021"),
    **{f"`plus` by pair loss {loss}": (loss, "plus") for loss in PAIR_LOSSES},
    "`plus` by Matryoshka losses": ("matryoshka", "plus"),
    "`plus`, fine-tuned without tags": ("no tags", "plus"),
    "`plus` by averages of weights": ("average", "plus"),
}
"""Name -> the training that has it, and the one that has not."""


class Training(NamedTuple):
    """Flags in addition to those of the data set; without flags for pre-training, that of another training is used."""

    pretraining: str | None
    finetuning: str
    start: str = "base"
    models: tuple[str, ...] = MODELS


def trainings(flags: Flags) -> dict[str, Training]:
    """All trainings of a model, `base` first."""
    horizon = round(HORIZON_OF_2021 * flags.finetuning_steps)
    return {
        "base": Training("", ""),
        "padding": Training(
            "--recipe=plus --clip_norm=0 --set=model.categories=false --set=model.linear=null", "--clip_norm=0 --labels=scores"
        ),
        "clipped": Training("--clip_norm=1", "--clip_norm=1"),
        "horizon of 2021": Training(None, f"--bert_total_steps={horizon}"),
        "rank": Training(None, "--labels=rank"),
        "categories": Training("--set=model.categories=true", ""),
        "linear": Training('--set=model.linear={"buckets":8191}', ""),
        "plus": Training("--recipe=plus", ""),
        "plus without categories": Training("--recipe=plus --set=model.categories=false", ""),
        "plus without linear": Training("--recipe=plus --set=model.linear=null", ""),
        "plus with MLM of 2021": Training("--recipe=plus --set=training.tasks.mlm.weight=10", "", models=("uniter",)),
        **{loss: Training(None, f"--pair_loss={loss}", "plus") for loss in PAIR_LOSSES},
        "matryoshka": Training(None, "--matryoshka=64,128", "plus"),
        "no tags": Training(None, "--set=training.tasks.tag.weight=0", "plus"),
        "average": Training(None, "--average_decay=0.95", "plus"),
    }


class Stage(NamedTuple):
    """A command, and the files that are there when it is complete."""

    command: list[str]
    results: list[Path]

    @property
    def is_complete(self) -> bool:
        return all(path.exists() for path in self.results)


def stages(data: Path, output: Path, seed: int, model: str) -> Iterator[Stage]:
    """Everything to be done for one model and seed, in order."""
    flags = DEMO if (data / "demo.json").exists() else CONTEST
    common = [f"--model={model}", f"--seed={seed}"]
    vocabulary = [f"--{kind}_vocab={data / 'vocab.txt'}" for kind in ["bert"] if (data / "vocab.txt").exists()]
    data_flags = [f"--data_dir={data}", f"--frame_embedding_size={flags.frame_embedding_size}", "--size=tiny", *vocabulary]
    of_model = {name: training for name, training in trainings(flags).items() if model in training.models}
    for name, training in of_model.items():
        folder = run_folder(output, seed, name)
        folds = [folder / model / f"fold-{fold:02d}" for fold in FOLDS]
        if training.pretraining is not None:
            more = [*flags.pretraining.split(), *training.pretraining.split()]
            results = [folder / model / "pretrain" / "summary.json"]
            yield Stage(["train_pretrain.py", *common, *data_flags, f"--output_dir={folder}", *more], results)
        start = folder if training.pretraining is not None else run_folder(output, seed, training.start)
        pretrained = start / model / "pretrain"
        places = [f"--output_dir={folder}", f"--folds_dir={output / 'folds'}", f"--pretrained_dir={pretrained}", "--folds=0-2"]
        more = [*flags.finetuning.split(), *training.finetuning.split()]
        yield Stage(["train_pair.py", *common, *places, *more], [fold / "summary.json" for fold in folds])
        test = f"--test_file={data / 'test_a' / '*.tfrecords'}"
        results = [fold / "embeddings" / "test_a.npz" for fold in folds]
        yield Stage(["inference_pair.py", f"--model={model}", "--folds=0-2", f"--output_dir={folder}", test], results)


def run_folder(output: Path, seed: int, training: str) -> Path:
    return output / f"seed-{seed}" / training.replace(" ", "-")


def fold_stage(data: Path, output: Path) -> Stage:
    """Splits the labelled pairs into the folds of all trainings."""
    size = (DEMO if (data / "demo.json").exists() else CONTEST).frame_embedding_size
    places = [f"--data_dir={data}", f"--output_dir={output / 'folds'}"]
    return Stage(["write_tfrecord.py", *places, f"--frame_embedding_size={size}"], [output / "folds" / "manifest.json"])


def run_all(work: Iterator[Stage]):
    """Runs the stages that are not complete, one after the other, with one thread each."""
    for stage in work:
        if not stage.is_complete:
            print(" ".join(stage.command), file=sys.stderr, flush=True)
            subprocess.run([sys.executable, *stage.command], check=True, env=os.environ | {"TF_NUM_INTRAOP_THREADS": "1"})


# --- the table --------------------------------------------------------------------------------------------------------


def scores(data: Path, output: Path, seed: int, training: str, models: list[str], **ensemble):
    """`EnsembleResult` of test_a; None where a model is missing."""
    try:
        members = find_members(run_folder(output, seed, training), dict.fromkeys(models, FOLDS), "test_a")
    except UserError:
        return None
    total = sum(preset(model).ensemble_weight for model in models)
    weights = {model: preset(model).ensemble_weight / total for model in models}
    return ensemble_run(members, weights, read_labels(data / "test_a" / "label.tsv"), **ensemble)


def differences(data: Path, output: Path, model: str, ingredient: str) -> list[float]:
    """With the ingredient less without, of each seed that has both."""
    pairs = ([scores(data, output, seed, training, [model]) for training in INGREDIENTS[ingredient]] for seed in SEEDS)
    return [with_it.models[0].mean_score - without.models[0].mean_score for with_it, without in pairs if with_it and without]


def ensemble_differences(data: Path, output: Path, **ensemble) -> list[float]:
    """Ensembles of all models as described less the weighted sum, of each seed that has all of them."""
    pairs = ([scores(data, output, seed, "base", list(MODELS), **how) for how in (ensemble, {})] for seed in SEEDS)
    return [changed.scores.spearman - plain.scores.spearman for changed, plain in pairs if changed and plain]


def cell(values: list[float]) -> str:
    """Mean and single values in ten-thousandths: `+12 (+30, -4, +10)`."""
    if not values:
        return "–"
    return f"{1e4 * statistics.mean(values):+.0f} ({', '.join(f'{1e4 * value:+.0f}' for value in values)})"


def verdict(values: list[float]) -> str:
    """The mean of all models and seeds, and whether it speaks for the ingredient."""
    if not values:
        return "–"
    mean = statistics.mean(values)
    return f"{1e4 * mean:+.0f}, {'rises' if mean > 0 else 'does not rise'}"


def print_base(data: Path, output: Path):
    """Scores of the 2021 recipe: mean of single folds and mean embedding, of each seed."""
    print("| 2021 recipe | seed 1, 2, 3: single fold (mean of 3) | 3-fold mean |\n|---|---:|---:|")
    for model in MODELS:
        results = [result.models[0] for seed in SEEDS if (result := scores(data, output, seed, "base", [model]))]
        single, mean = (", ".join(f"{value:.4f}" for value in column) for column in (
            [result.single_score for result in results], [result.mean_score for result in results]))  # fmt: skip
        print(f"| {model} | {single} | {mean} |")
    results = [result.scores.spearman for seed in SEEDS if (result := scores(data, output, seed, "base", list(MODELS)))]
    print(f"| weighted sum | | {', '.join(f'{value:.4f}' for value in results)} |\n")


def print_table(data: Path, output: Path):
    """The table of differences."""
    print(f"| ingredient | {' | '.join(MODELS)} | all |\n|---|{'---:|' * (len(MODELS) + 1)}")
    for ingredient in INGREDIENTS:
        columns = [differences(data, output, model, ingredient) for model in MODELS]
        cells = [cell(column) for column in columns]
        print(f"| {ingredient} | {' | '.join(cells)} | {verdict([value for column in columns for value in column])} |")
    for name, ensemble in {"normalised sum": {"normalize": True}, "SVD": {"method": "svd"}}.items():
        values = ensemble_differences(data, output, **ensemble)
        print(f"| {name} of the three, not sum |{' |' * len(MODELS)} {cell(values)}: {verdict(values)} |")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.ingredients DATA_DIR OUTPUT_DIR")
    data, output = map(Path, sys.argv[1:])
    run_all(iter([fold_stage(data, output)]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        work = [stages(data, output, seed, model) for seed in SEEDS for model in MODELS]
        list(pool.map(run_all, work))
    print_base(data, output)
    print_table(data, output)


if __name__ == "__main__":
    main()
