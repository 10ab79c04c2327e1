"""Seconds of trainings by 2021 and by plus, side by side: python -m benchmarks.recipe_time DATA_DIR OUTPUT_DIR

Two models, with the flags of benchmarks.ingredients for the data: pre-training, fine-tuning on 11 folds, and embedding of test_a.
Both recipes of a model run at the same time, with one thread each, and take as many steps.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.ingredients import SEEDS, Table, flags_of, fold_stage, run_all, stages
from benchmarks.table import seconds
from vsim_tf.records.folds import CONTEST_FOLDS

MODELS = ("uniter", "mix_nextvlad")
TRAININGS = {"2021": "base", "plus": "plus"}
"""Recipes, and their names among the trainings of benchmarks.ingredients."""


def times(training: str, model: str, data: Path, output: Path) -> dict[str, float]:
    """Seconds of each script, in the order in which they run."""
    table = Table((model,), tuple(range(CONTEST_FOLDS)), {training: (training, training)})
    return {
        stage.command[0]: seconds(lambda stage=stage: run_all(iter([stage])))
        for stage in stages(table, data, output, SEEDS[0], model)
    }


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.recipe_time DATA_DIR OUTPUT_DIR")
    data, output = map(Path, sys.argv[1:])
    if output.exists():
        sys.exit(f"{output}: is there already, and what is complete in it would take no time; name another folder")
    run_all(iter([fold_stage(data, output / "folds", flags_of(data))]))
    rows = []
    for model in MODELS:
        with ThreadPoolExecutor(len(TRAININGS)) as pool:
            of_recipes = list(pool.map(partial(times, model=model, data=data, output=output), TRAININGS.values()))
        for script in of_recipes[0]:
            published, plus = (spent[script] for spent in of_recipes)
            rows.append(f"| {model} | {script} | {published:.0f} s | {plus:.0f} s | {plus / published:.2f} |")
    print(f"\n| model | script | {' | '.join(TRAININGS)} | plus / 2021 |\n|---|---|---:|---:|---:|", *rows, sep="\n")


if __name__ == "__main__":
    main()
