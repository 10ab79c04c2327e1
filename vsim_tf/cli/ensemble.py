"""Average embeddings over folds, sum models by weight, and report: vsim-tf ensemble --output_dir=output"""

import shlex
import sys
from pathlib import Path
from typing import Any

from vsim_tf.cli import app, flags
from vsim_tf.ensemble.combine import normalized_weights
from vsim_tf.ensemble.find import models_present
from vsim_tf.ensemble.note import announce_ensemble, note_sources
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.io.paths import RESULT
from vsim_tf.presets import registry
from vsim_tf.records.test_sets import check_test_sets, labelled_set, submitted_set
from vsim_tf.records.tfrecords import split_paths

define_flags = flags.define_ensemble


def members() -> list[str]:
    """Files given by --members."""
    return [path for text in flags.FLAGS.members or [] for path in split_paths(text)]


def settings() -> dict[str, Any]:
    """All that decides zip and report, besides the embeddings, as `ensemble_and_report` takes it."""
    options, files = flags.FLAGS, members()
    models = files or options.models or models_present(options.output_dir, registry.PUBLIC_MODELS)
    data_dir = Path(options.data_dir)
    return {
        "output_dir": Path(options.output_dir),
        "data_dir": data_dir,
        "weights": dict(zip(models, model_weights(models, options.weights, bool(files)), strict=True)),
        "folds": flags.parse_folds(options.folds) if options.folds is not None else None,
        "test_name": submitted_set(data_dir, options.test_name),
        "labelled_test_name": labelled_set(data_dir, options.labelled_test_name),
        "output_zip": options.output_zip or str(Path(options.output_dir) / RESULT),
        "frame_embedding_size": options.frame_embedding_size,
        "method": options.method,
        "normalize": options.normalize,
        "svd_basis": options.svd_basis,
        "are_files": bool(files),
    }


def model_weights(models: list[str], given: list[str] | None, are_files: bool) -> list[float]:
    """Weights in the order of the models: given, or with the sum 1 the registered ones, or for files equal ones."""
    if len(set(models)) < len(models):
        raise UserError(f"{','.join(models)}: a member is named twice")
    if given is None:
        return normalized_weights([1.0 if are_files else registry.preset(model).ensemble_weight for model in models])
    try:
        weights = [float(weight) for weight in given]
    except ValueError:
        raise UserError(f"--weights={','.join(given)}: numbers separated by commas are accepted") from None
    if len(weights) != len(models):
        raise UserError(f"--weights: {len(weights)} numbers for {len(models)} members ({', '.join(models)})")
    return weights


def check_flags(devices: int = 1) -> None:
    del devices  # which take no part
    options = flags.FLAGS
    if options.members and (options["models"].present or options["folds"].present):
        raise UserError("--members names all files that are summed: leave --models and --folds out")
    if options.normalize and options.method == "svd":
        raise UserError("--normalize is for --method=sum: svd always scales embeddings to unit norm")
    if options.svd_basis and options.method != "svd":
        raise UserError("--svd_basis is for --method=svd: give that too")
    if models := members() or options.models:
        model_weights(models, options.weights, bool(options.members))
    if options.folds is not None:
        flags.parse_folds(options.folds)


def check_inputs() -> None:
    values = settings()
    if values["svd_basis"]:
        SvdBasis.load(values["svd_basis"])
    if not values["are_files"]:
        check_test_sets(values["data_dir"], values["test_name"], values["labelled_test_name"])


def finished() -> bool:
    return announce_ensemble(settings())


def main() -> None:
    check_flags()
    if finished():
        return
    from vsim_tf.ensemble.run_report import ensemble_and_report

    values = settings()
    command = flags.FLAGS.report_command or shlex.join([*app.program(sys.argv[0]), *sys.argv[1:]])
    note_sources(values, ensemble_and_report(**values, command=command))
