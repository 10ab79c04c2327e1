"""Averages embeddings over folds, sums models by weight, and reports: python ensemble_final.py --output_dir=output"""

import shlex
import sys
from pathlib import Path

from vsim_tf import flags, registry
from vsim_tf.ensemble import models_present, normalized_weights
from vsim_tf.errors import UserError


def main():
    options = flags.FLAGS
    from vsim_tf.run_report import RESULT, ensemble_and_report

    if options.members and (options["models"].present or options["folds"].present):
        raise UserError("--members names all files that are summed: leave --models and --folds out")
    if options.normalize and options.method == "svd":
        raise UserError("--normalize is for --method=sum: svd always scales embeddings to length 1")
    models = options.members or options.models or models_present(options.output_dir, registry.PUBLIC_MODELS)
    ensemble_and_report(
        output_dir=Path(options.output_dir),
        data_dir=Path(options.data_dir),
        weights=dict(zip(models, model_weights(models, options.weights, bool(options.members)), strict=True)),
        folds=None if options.members else flags.parse_folds(options.folds),
        test_name=options.test_name,
        labelled_test_name=options.labelled_test_name,
        output_zip=options.output_zip or str(Path(options.output_dir) / RESULT),
        frame_embedding_size=options.frame_embedding_size,
        method=options.method,
        normalize=options.normalize,
        command=options.report_command or shlex.join(["python", *sys.argv]),
    )


def model_weights(models: list[str], given: list[str] | None, are_files: bool) -> list[float]:
    """Weights in the order of the models: given, or with the sum 1 the registered ones, or for files equal ones."""
    if len(set(models)) < len(models):
        raise UserError(f"{','.join(models)}: a member is named twice")
    if given is None:
        return normalized_weights([1.0 if are_files else registry.model_spec(model).ensemble_weight for model in models])
    try:
        weights = [float(weight) for weight in given]
    except ValueError:
        raise UserError(f"--weights={','.join(given)}: numbers separated by commas are accepted") from None
    if len(weights) != len(models):
        raise UserError(f"--weights: {len(weights)} numbers for {len(models)} members ({', '.join(models)})")
    return weights


if __name__ == "__main__":
    flags.define_ensemble()
    flags.run(main, __doc__)
