"""What each ingredient of a better recipe does to Spearman: python -m benchmarks.ingredients 2021|plus DATA_DIR OUTPUT_DIR

Some models and three seeds are trained by a recipe, and again with one ingredient changed at a time, at equal steps, with the
flags of `run.sh` for demo data and those of docs/results.md for any other; test_a is scored. A training that is there already is
not trained again. The table gives differences of Spearman of the mean embedding of the folds, in
ten-thousandths, and of the SVD of all models.
"""

import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from vsim_tf.ensemble.find import find_members
from vsim_tf.ensemble.scored import ensemble_run
from vsim_tf.errors import UserError
from vsim_tf.launch.jobs import make_places
from vsim_tf.presets.registry import preset
from vsim_tf.records.labels import read_labels

SEEDS = (1, 2, 3)


class Flags(NamedTuple):
    """How models are trained on a data set, and for how many steps (`length`)."""

    frame_embedding_size: int
    pretraining: str
    finetuning: str
    pretraining_steps: int
    finetuning_steps: int


CONTEST = Flags(
    256,
    "--bert_seq_length=20 --max_frames=16 --batch_size=64 --val_batch_size=256"
    " --lr=3e-3 --warmup_steps=10 --bert_lr=1e-3 --bert_warmup_steps=200",
    "--batch_size=32 --val_batch_size=256 --print_freq=20 --lr=2e-4 --warmup_steps=10 --bert_lr=5e-5 --bert_warmup_steps=10",
    1500,
    100,
)
DEMO = Flags(
    128,
    "--bert_seq_length=16 --max_frames=8 --batch_size=64 --val_batch_size=256 --print_freq=40"
    " --lr=4e-3 --warmup_steps=10 --bert_lr=1e-3 --bert_warmup_steps=80",
    "--batch_size=32 --val_batch_size=256 --print_freq=12 --lr=1e-3 --warmup_steps=4 --bert_lr=5e-4 --bert_warmup_steps=4",
    320,
    48,
)
HORIZON_OF_2021 = 40_000 / 3_000
"""Horizon of the encoder's schedule in fine-tuning, in steps that are made."""

WITH_FRAMES = {"tag": {"type": "tags"}, "mlm": {"type": "masked_tokens"}, "mfm": {"type": "masked_frames", "weight": 0.4}}
"""Uniter's tasks by `plus` with the one of the 1st place, which weighs 0.4 of masked tokens there, too."""
SCRIPTS = {"token_start": "vocab.txt", "neighbour_tags": "pointwise/pointwise.tfrecords"}
"""Scripts that make the encoder or the data of a pre-training, and the file that each writes last."""
PAIR_LOSSES = ("mse", "pearson", "cosent", "combinations")


def length(steps: int) -> list[str]:
    """Flags of a run of so many steps, with which its schedules end, evaluated once."""
    return [f"--total_steps={steps}", f"--eval_freq={steps}", f"--bert_total_steps={steps}"]


class Table(NamedTuple):
    """Ingredients that are compared.

    Attributes:
        models, folds: that are trained.
        ingredients: name -> the training that has it, and the one that has not.
    """

    models: tuple[str, ...]
    folds: tuple[int, ...]
    ingredients: dict[str, tuple[str, str]]

    @property
    def trainings(self) -> set[str]:
        return {training for pair in self.ingredients.values() for training in pair}


TABLES = {
    "2021": Table(
        ("uniter", "mix_nextvlad", "mix_nextvlad_roformer"),
        (0, 1, 2),
        {
            "padding ignored": ("padding", "base"),
            "gradients clipped to norm 1": ("clipped", "base"),
            "encoder schedule ends with the run": ("base", "horizon of 2021"),
            "rank labels": ("rank", "base"),
            "`plus`: all that is kept": ("plus", "base"),
        },
    ),
    "plus": Table(
        ("uniter", "mix_nextvlad"),
        (0,),
        {
            "categories as tags": ("plus", "without categories"),
            "lighter MLM": ("plus", "with MLM of 2021"),
            "linear embedding": ("plus", "without linear"),
            "its exponent": ("plus", "exponent 1"),
            "twice as many numbers as the network's": ("plus", "linear of 256"),
            "its metric": ("plus", "without metric"),
            "hashed n-grams in the encoder": ("n-grams", "plus"),
            "token embeddings from co-occurrence": ("token start", "plus"),
            "asymmetric loss of tags": ("asl", "plus"),
            "masked frames": ("masked frames", "plus"),
            "tags of neighbours": ("neighbour tags", "plus"),
            "all steps of pre-training, not a half": ("plus", "half"),
            **{f"pair loss `{loss}`": (loss, "plus") for loss in PAIR_LOSSES},
            "Matryoshka, 64 and 128 numbers": ("matryoshka", "plus"),
            "fine-tuning without tags": ("no tags", "plus"),
            "average of weights": ("average", "plus"),
            "best of five evaluations": ("best", "plus"),
            "batches of 64 pairs": ("batch of 64", "plus"),
            "soft labels": ("soft labels", "plus"),
            "pseudo-labelled pairs": ("pseudo-labelled", "plus"),
        },
    ),
}


class Training(NamedTuple):
    """How a training differs from the first one.

    Attributes:
        pretraining, finetuning: flags in addition to those of the data set.
        start: whose pre-training is used where there are no flags for one.
        models: that have it.
        labels: of pairs that the pre-training changes (`benchmarks.soft_labels`); empty: as they are.
        script: of `SCRIPTS`; empty: none.
        refit: the training whose network is kept (`benchmarks.refit_linear`); empty: it is trained.
    """

    pretraining: str | None
    finetuning: str
    start: str = "base"
    models: tuple[str, ...] = TABLES["2021"].models
    labels: str = ""
    script: str = ""
    refit: str = ""


def trainings(flags: Flags) -> dict[str, Training]:
    """All trainings of a model, `base` first."""
    horizon = round(HORIZON_OF_2021 * flags.finetuning_steps)
    half = " ".join(length(flags.pretraining_steps // 2))
    asl = "--set=training.tasks.tag.form=asl"
    return {
        "base": Training("", ""),
        "padding": Training(
            "--recipe=plus --clip_norm=0 --set=model.categories=false --set=model.linear=null", "--clip_norm=0 --labels=scores"
        ),
        "clipped": Training("--clip_norm=1", "--clip_norm=1"),
        "horizon of 2021": Training(None, f"--bert_total_steps={horizon}"),
        "rank": Training(None, "--labels=rank"),
        "plus": Training("--recipe=plus", ""),
        "without categories": Training("--recipe=plus --set=model.categories=false", ""),
        "without linear": Training("--recipe=plus --set=model.linear=null", "", refit="plus"),
        "with MLM of 2021": Training("--recipe=plus --set=training.tasks.mlm.weight=10", "", models=("uniter",)),
        "exponent 1": Training("--recipe=plus --set=model.linear.exponents=[1]", "", refit="plus"),
        "linear of 256": Training("--recipe=plus --set=model.linear.multiple=1", "", refit="plus"),
        "without metric": Training("--recipe=plus --set=model.linear.metric=false", "", refit="plus"),
        "n-grams": Training("--recipe=plus --set=model.encoder.longest_ngram=3", ""),
        "token start": Training("--recipe=plus", "", models=("uniter",), script="token_start"),
        "asl": Training(f"--recipe=plus {asl}", asl, models=("uniter",)),
        "masked frames": Training(f"--recipe=plus --set=training.tasks='{json.dumps(WITH_FRAMES)}'", "", models=("uniter",)),
        "neighbour tags": Training("--recipe=plus", "", script="neighbour_tags"),
        "half": Training(f"--recipe=plus {half}", ""),
        **{loss: Training(None, f"--pair_loss={loss}", "plus") for loss in PAIR_LOSSES},
        "matryoshka": Training(None, "--matryoshka=64,128", "plus"),
        "no tags": Training(None, "--set=training.tasks.tag.weight=0", "plus"),
        "average": Training(None, "--average_decay=0.95", "plus"),
        "best": Training(None, f"--eval_freq={flags.finetuning_steps // 5} --set=training.selection.kept=best", "plus"),
        "batch of 64": Training(None, "--batch_size=64", "plus"),
        "soft labels": Training(None, "", "plus", labels="soft"),
        "pseudo-labelled": Training(None, "", "plus", labels="pseudo"),
    }


def flags_of(data: Path) -> Flags:
    return DEMO if (data / "demo.json").exists() else CONTEST


class Stage(NamedTuple):
    """A command, and the files that are there when it is complete."""

    command: list[str]
    results: list[Path]

    @property
    def is_complete(self) -> bool:
        return all(path.exists() for path in self.results)


def stages(table: Table, data: Path, output: Path, seed: int, model: str) -> Iterator[Stage]:
    """Everything to be done for one model and seed, in order."""
    range_of_folds = f"--folds={table.folds[0]}-{table.folds[-1]}"
    flags = flags_of(data)
    common = [f"--model={model}", f"--seed={seed}"]
    of_model = {
        name: training for name, training in trainings(flags).items() if name in table.trainings and model in training.models
    }
    for name, training in of_model.items():
        folder = run_folder(output, seed, name)
        folds = [folder / model / f"fold-{fold:02d}" for fold in table.folds]
        made = folder / model / training.script
        if training.script:
            command = ["-m", f"benchmarks.{training.script}", str(data), str(made), str(flags.frame_embedding_size)]
            yield Stage(command, [made / SCRIPTS[training.script]])
        if training.pretraining is not None:
            usual = [*flags.pretraining.split(), *length(flags.pretraining_steps)]
            more = [*data_flags(flags, data, training, made), *usual, *shlex.split(training.pretraining)]
            results = [folder / model / "pretrain" / "summary.json"]
            trained = run_folder(output, seed, training.refit) / model / "pretrain"
            script = ["-m", "benchmarks.refit_linear", str(trained)] if training.refit else ["train_pretrain.py"]
            yield Stage([*script, *common, f"--output_dir={folder}", *more], results)
        start = folder if training.pretraining is not None else run_folder(output, seed, training.start)
        pretrained = start / model / "pretrain"
        folds_dir = output / "folds"
        if training.labels:
            folds_dir = folder / model / "folds"
            changed = folder / model / "labels"
            command = ["-m", "benchmarks.soft_labels", training.labels, str(data), str(changed), str(pretrained)]
            yield Stage(command, [changed / "pairwise" / "label.tsv"])
            yield fold_stage(changed, folds_dir, flags)
        places = [f"--output_dir={folder}", f"--folds_dir={folds_dir}", f"--pretrained_dir={pretrained}", range_of_folds]
        more = [*flags.finetuning.split(), *length(flags.finetuning_steps), *training.finetuning.split()]
        yield Stage(["train_pair.py", *common, *places, *more], [fold / "summary.json" for fold in folds])
        test = f"--test_file={data / 'test_a' / '*.tfrecords'}"
        results = [fold / "embeddings" / "test_a.npz" for fold in folds]
        yield Stage(["inference_pair.py", f"--model={model}", range_of_folds, f"--output_dir={folder}", test], results)


def data_flags(flags: Flags, data: Path, training: Training, made: Path) -> list[str]:
    """Flags of the data, of vocabulary and size of a pre-training."""
    if training.script == "token_start":
        encoder = ["--size=base", f"--bert_dir={made}"]  # the folder has the sizes of `tiny`
    else:
        encoder = ["--size=tiny", *[f"--bert_vocab={file}" for file in data.glob("vocab.txt")]]
    source = made if training.script == "neighbour_tags" else data
    return [f"--data_dir={source}", f"--frame_embedding_size={flags.frame_embedding_size}", *encoder]


def run_folder(output: Path, seed: int, training: str) -> Path:
    return output / f"seed-{seed}" / training.replace(" ", "-")


def fold_stage(data: Path, folds_dir: Path, flags: Flags) -> Stage:
    """Splits the labelled pairs into folds."""
    places = [f"--data_dir={data}", f"--output_dir={folds_dir}"]
    size = f"--frame_embedding_size={flags.frame_embedding_size}"
    return Stage(["write_tfrecord.py", *places, size], [folds_dir / "manifest.json"])


def run_all(work: Iterator[Stage]):
    """Runs the stages that are not complete, one after the other, with one thread each."""
    one_thread = make_places(os.cpu_count() or 1, 1, gpus=[])[0]
    for stage in work:
        if not stage.is_complete:
            print(" ".join(stage.command), file=sys.stderr, flush=True)
            subprocess.run([sys.executable, *stage.command], check=True, env=os.environ | one_thread)


# --- the table --------------------------------------------------------------------------------------------------------


def scores(table: Table, data: Path, output: Path, training: str, models: Sequence[str], **ensemble) -> list[float | None]:
    """Spearman of an ensemble of some models, or of one model's mean embedding, on test_a by seed; None where one is missing."""
    return [spearman_of(table, data, run_folder(output, seed, training), models, **ensemble) for seed in SEEDS]


def spearman_of(table: Table, data: Path, folder: Path, models: Sequence[str], **ensemble) -> float | None:
    try:
        members = find_members(folder, dict.fromkeys(models, table.folds), "test_a")
    except UserError:
        return None
    total = sum(preset(model).ensemble_weight for model in models)
    weights = {model: preset(model).ensemble_weight / total for model in models}
    return ensemble_run(members, weights, read_labels(data / "test_a" / "label.tsv"), **ensemble).scores.spearman


def differences(changed: Sequence[float | None], plain: Sequence[float | None]) -> list[float]:
    """With the ingredient less without, of each seed that has both."""
    return [one - other for one, other in zip(changed, plain, strict=True) if one is not None and other is not None]


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


def print_base(table: Table, data: Path, output: Path, training: str):
    """Scores of a training: mean embedding of the folds of each model, and the weighted sum of the models, of each seed."""
    for models in [*([model] for model in table.models), table.models]:
        listed = ", ".join(f"{score:.4f}" for score in scores(table, data, output, training, models) if score is not None)
        print(f"{training}, {' + '.join(models)}, seeds {', '.join(map(str, SEEDS))}: {listed}")


def print_table(table: Table, data: Path, output: Path):
    """The table of differences."""
    print(f"\n| ingredient | {' | '.join(table.models)} | mean of all | SVD of all |\n|---|{'---:|' * (len(table.models) + 2)}")
    for ingredient, trainings in table.ingredients.items():
        of_models = [
            differences(*(scores(table, data, output, training, [model]) for training in trainings)) for model in table.models
        ]
        of_svd = differences(*(scores(table, data, output, training, table.models, method="svd") for training in trainings))
        mean = verdict([value for values in of_models for value in values])
        print(f"| {ingredient} | {' | '.join(map(cell, of_models))} | {mean} | {cell(of_svd)} |")
    for training in sorted({"base", "plus"} & table.trainings):
        plain = scores(table, data, output, training, table.models)
        for name, ensemble in {"normalised sum": {"normalize": True}, "SVD": {"method": "svd"}}.items():
            values = differences(scores(table, data, output, training, table.models, **ensemble), plain)
            print(f"| {name} of {training}, not sum |{' |' * len(table.models)} {cell(values)}: {verdict(values)} | |")


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in TABLES:
        sys.exit(f"usage: python -m benchmarks.ingredients {'|'.join(TABLES)} DATA_DIR OUTPUT_DIR")
    table, data, output = TABLES[sys.argv[1]], *map(Path, sys.argv[2:])
    run_all(iter([fold_stage(data, output / "folds", flags_of(data))]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        work = [stages(table, data, output, seed, model) for seed in SEEDS for model in table.models]
        list(pool.map(run_all, work))
    for training in sorted({"base", "plus"} & table.trainings):
        print_base(table, data, output, training)
    print_table(table, data, output)


if __name__ == "__main__":
    main()
