"""Flags of ensemble_final.py."""

from absl import flags

from vsim_tf.cli import run_length
from vsim_tf.cli.flags import define_data_dir, define_output_dir
from vsim_tf.ensemble.svd_basis import TEST, TRAIN
from vsim_tf.io.paths import FULL


def define_flags() -> None:
    """Flags of ensemble_final.py."""
    define_data_dir()
    define_output_dir()
    flags.DEFINE_string(
        "folds", None,
        f"Folds of every model, e.g. 0-10 or 0,3,5-7, of classifiers also {FULL}; default: all of each model that have embeddings"
        " or predictions of the test set.",
    )  # fmt: skip
    flags.DEFINE_list(
        "models", None,
        "Models to combine, of any system; default: the registered ones with runs in --output_dir. Also linear, which this script"
        " fits from TF-IDF and mean frame: to the tags of training videos, among classifiers to the classes of labelled videos.",
    )  # fmt: skip
    flags.DEFINE_list(
        "weights", None,
        "Weights in the order of --models; fit: those by which the validation pairs are ranked best, each scored by the runs that"
        " did not train on it, without models that hurt (docs/small_data.md); default: the registered ones, of embeddings scaled"
        " to sum to 1.",
    )  # fmt: skip
    run_length.define_preset("--method=svd and --weights=fit, of classifiers --decision=levels")
    flags.DEFINE_multi_string(
        "members",
        None,
        "Submission zips or npz files to combine instead of --models and --folds; separated by commas, or repeated.",
    )
    flags.DEFINE_enum(
        "method", None, ["sum", "svd"],
        "sum: weighted sum of embeddings (2021). svd: all of them at unit norm, concatenated and reduced to 256 dimensions."
        " Default: sum; svd of models that were trained by --recipe=plus.",
    )  # fmt: skip
    flags.DEFINE_boolean(
        "center", False, "Subtract the mean of each model's embeddings before they are scaled to unit norm, in --method=svd."
    )
    flags.DEFINE_enum(
        "basis_from", None, [TEST, TRAIN],
        "Videos that the basis of --method=svd, and the means of --center, come from. test: each test set by itself. train: the"
        " videos of the labelled pairs, which are embedded if they are not. Default: test, with --weights=fit train.",
    )  # fmt: skip
    flags.DEFINE_string(
        "svd_basis", None,
        "Basis of an earlier --method=svd (NAME.basis.npz next to NAME.zip) to apply instead of fitting one, e.g. to new videos.",
    )  # fmt: skip
    flags.DEFINE_boolean(
        "normalize",
        None,
        "Scale embeddings to unit norm before they are summed; default: where --weights=fit, as ranks know no norms.",
    )
    _define_results()


def _define_results() -> None:
    flags.DEFINE_string("test_name", None, "Test set of the result; default: test_b, else the only one there is.")
    flags.DEFINE_string(
        "labelled_test_name", None,
        "Test set with <data_dir>/<name>/label.tsv, for the report; default: test_a, else one with labels.",
    )  # fmt: skip
    flags.DEFINE_string(
        "labels", None,
        "Classes of --labelled_test_name, for the report of classifiers: lines id,category_id, in a .tsv file with a tab;"
        " default: <data_dir>/<name>_labels.tsv.",
    )  # fmt: skip
    flags.DEFINE_string(
        "output_zip", None,
        "Submission zip; default: <output_dir>/result.zip. Next to it is its report, report.md or NAME.report.md of NAME.zip.",
    )  # fmt: skip
    flags.DEFINE_enum(
        "decision", "class", ["class", "levels"],
        "How classifiers decide. class: the most probable one. levels: the one with the largest sum of its probability and its"
        " parent's.",
    )  # fmt: skip
    flags.DEFINE_string(
        "output_csv", None, "Classes by an ensemble of classifiers, id,category_id; default: <output_dir>/result.csv."
    )
    flags.DEFINE_string("report_command", None, "Command that the report names; default: this one.")
    flags.DEFINE_integer(
        "frame_embedding_size",
        None,
        "Feature dimension of a frame, for the baseline in the report; default: the runs'.",
        lower_bound=1,
    )
