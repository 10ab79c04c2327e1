"""Which models, folds and files of embeddings or predictions an output folder has."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.inference.products import EMBEDDINGS, Product
from vsim_tf.io.paths import CONFIG, FOLD_RUNS, FULL, MANIFEST, fold_folder, fold_name, folds_folder, linear_file, model_folder
from vsim_tf.presets import registry
from vsim_tf.presets.registry import LINEAR
from vsim_tf.records.manifest import files_of_fold, parse_manifest
from vsim_tf.records.splits import SPLITS
from vsim_tf.runs.run_folder import RunFolder, data_files
from vsim_tf.types import PathLike

logger = logging.getLogger(__name__)


def trained_folds(output_dir: PathLike, model: str, fold: int) -> Path:
    """The folder of the pair records that a fine-tuned run validates on: of the model's own split, or of another one."""
    own = registry.preset(model).split
    folder = fold_folder(Path(output_dir), model, fold)
    read = _validation_files(folder)
    for split in sorted(SPLITS, key=lambda split: split != own):
        folds = folds_folder(output_dir, split)
        if (folds / MANIFEST).exists() and fold < (manifest := parse_manifest(folds)).num_folds:
            files = files_of_fold(folds, manifest, fold)[1]
            if all(map(os.path.exists, files)) and data_files(files) == read:
                return folds
    return folds_folder(output_dir, own)


def _validation_files(run: Path) -> list[dict[str, Any]] | None:
    """Files that a run validates on, as its config.json names them; None where it cannot be read."""
    try:
        files: list[dict[str, Any]] | None = RunFolder.open(run).config["data"].get("validation")
    except UserError:
        return None
    return files


def models_present(output_dir: PathLike, names: Iterable[str]) -> list[str]:
    """Returns the models of `names` that have a fine-tuned run, `<output_dir>/<model>/fold-XX`, in their order.

    Raises:
        UserError: none has.
    """
    present = [name for name in names if fold_runs(output_dir, name)]
    if not present:
        message = f"{output_dir}: no model has a run fold-XX; train one by train_pair.py, or give another output_dir"
        raise UserError(message, ["output_dir"])
    return present


def linear_present(output_dir: PathLike) -> bool:
    """Whether the linear model has been fitted for the models of an output folder."""
    return linear_file(fold_folder(output_dir, LINEAR, FULL)).is_file()


def trained_run(output_dir: PathLike, folds: Mapping[str, Sequence[int | str]]) -> Path:
    """The first run of a trained model, which says what it reads."""
    model, (fold, *_) = next((model, runs) for model, runs in folds.items() if model != LINEAR)
    return fold_folder(output_dir, model, fold)


def fold_runs(output_dir: PathLike, model: str, product: Product = EMBEDDINGS) -> list[int | str]:
    """Returns the folds of a model, and other runs that may have a product, that have a fine-tuned run."""
    return _folds(output_dir, model, CONFIG, product)


def embedded_folds(output_dir: PathLike, model: str, test_name: str, product: Product = EMBEDDINGS) -> list[int | str]:
    """Returns the folds of a model, and other runs, that have embeddings of a test set, or another product."""
    return _folds(output_dir, model, product.file(Path(), test_name), product)


def _folds(output_dir: PathLike, model: str, file: PathLike, product: Product) -> list[int | str]:
    folder = model_folder(output_dir, model)
    names = [run.name for run in folder.glob(FOLD_RUNS) if (run / file).is_file()]
    numbers = {int(digits) for name in names if (digits := name.rpartition("-")[2]).isdecimal()}
    folds = sorted(number for number in numbers if fold_name(number) in names)
    return [*folds, *(name for name in product.named_runs if (folder / name / file).is_file())]


def folds_of_models(
    output_dir: PathLike,
    models: Sequence[str],
    folds: Sequence[int | str] | None,
    test_name: str,
    product: Product = EMBEDDINGS,
) -> dict[str, list[int | str]]:
    """Returns the folds of each model that are averaged: those given, or else all that have embeddings of a test set.

    Of embeddings by the linear model there is one run, `FULL`. Runs whose embeddings are missing are left out, and logged.

    Raises:
        UserError: none are given, and a model has no embeddings of the test set; names the models.
    """
    of_linear: dict[str, list[int | str]] = {LINEAR: [FULL]}
    if folds is not None:
        return {model: of_linear.get(model) or list(folds) for model in models}
    found = {model: of_linear.get(model) or embedded_folds(output_dir, model, test_name, product) for model in models}
    if without := [model for model, there in found.items() if not there]:
        trained = {model: fold_runs(output_dir, model, product) for model in models}
        raise _missing(output_dir, without, test_name, trained, product)
    for model, there in found.items():
        if left_out := [fold for fold in fold_runs(output_dir, model, product) if fold not in there]:
            listed = ", ".join(map(str, left_out))
            logger.info(f"{model}: left out are folds without {product.noun} of {test_name}: {listed}")
    return found


def find_members(
    output_dir: PathLike, folds: Mapping[str, Sequence[int | str]], test_name: str, product: Product = EMBEDDINGS
) -> dict[str, list[Path]]:
    """Returns for each model the files `<output_dir>/<model>/fold-XX/embeddings/<test_name>.npz` of its folds.

    Raises:
        UserError: files are missing; names the model and folds of each.
    """
    found = {
        model: [product.file(fold_folder(output_dir, model, fold), test_name) for fold in numbers]
        for model, numbers in folds.items()
    }
    missing = [path for paths in found.values() for path in paths if not path.is_file()]
    if missing:
        raise _missing(output_dir, [f"{path.parts[-4]}/{path.parts[-3]}" for path in missing], test_name, folds, product)
    return found


def _missing(
    output_dir: PathLike, runs: Sequence[str], test_name: str, folds: Mapping[str, Sequence[int | str]], product: Product
) -> UserError:
    return UserError(
        f"{output_dir}: no {product.noun} of {test_name} for {count_and_first(runs)}; {_sets_there(output_dir, folds, product)};"
        f" run {product.script} for them, or give fewer models or folds (docs/data.md, 'Embeddings and submission')"
    )


def _sets_there(output_dir: PathLike, folds: Mapping[str, Sequence[int | str]], product: Product) -> str:
    """Of which test sets the same runs have the product."""
    runs = [fold_folder(output_dir, model, fold) for model, numbers in folds.items() for fold in numbers]
    counts = Counter(file.stem for run in runs for file in product.file(run, "").parent.glob("*.npz"))
    listed = ", ".join(f"{name} ({count} runs)" for name, count in sorted(counts.items()))
    return f"there are those of {listed}" if listed else "these runs have none of any test set"
