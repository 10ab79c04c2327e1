"""Names of the files and folders that the stages read and write: no other file spells them.

Data folder:

    pointwise/*.tfrecords  pairwise/*.tfrecords  pairwise/label.tsv  tag_list.txt  test_a/test_a.tfrecords  test_a/label.tsv  ...

of the WeChat contest of 2022:

    annotations/{unlabeled,labeled,test_a,test_b}.json  frames/SPLIT/LAST3/ID.zip  videos/ID.mp4
    category_ids.txt  test_a_labels.tsv  vocab.txt

Output folder, with one run folder for each model and stage:

    folds/                   manifest.json, fold-00-of-11.tfrecord ... always-train.tfrecord
    folds_modulo/            the same by another split: manifest.json, fold-00-of-05.tfrecord ...
    MODEL/pretrain/          config.json, tag_list.txt, tokenizer/, metrics.jsonl, events/, last/, best/, summary.json
    MODEL/fold-00/ ...       the same, and embeddings/ or predictions/
    linear/full/             the linear model as a member of an ensemble: linear.npz, linear.json, embeddings/
    records/                 of short videos: unlabeled/, labeled/, test_a/, test_b/ with pictures.tfrecords, features.tfrecords
    check.json  result.zip  result.source.json  result.basis.npz  result.csv  timings.tsv
    report.md  report.png  report.html

Saved model:

    model.json  README.md  result.basis.npz
    tower/                   config.json, model.safetensors: a vision tower that makes features of pictures
    MODEL/fold-00/ ...       as above: config.json, tag_list.txt or category_ids.txt, tokenizer/, summary.json, last/ or best/
    linear/full/linear.npz   of an ensemble with the linear model

Index of videos:

    note.json  index.faiss  videos.jsonl

Exported model:

    export.json  README.md  client.py  tokenizer/ or tokenizer_0/, tokenizer_1/ ...
    saved_model.pb  variables/  of a SavedModel, or model.onnx

docs/data.md, docs/search.md and docs/serving.md say what they hold.
"""

import glob
import os
from pathlib import Path

from vsim_tf.types import PathLike

# --- data folder ------------------------------------------------------------------------------------------------------

POINTWISE, PAIRWISE = "pointwise", "pairwise"
TEST_SETS, TEST_A, TEST_B = "test_*", "test_a", "test_b"
LABELS, TAGS, CLASSES = "label.tsv", "tag_list.txt", "category_ids.txt"
RECORDS = "*.tfrecords"
ANNOTATIONS, FRAMES, VIDEO_FILES = "annotations", "frames", "videos"
"""Of the WeChat contest of 2022."""
UNLABELED, LABELED = "unlabeled", "labeled"
DEMO = "demo.json"
"""Parameters of a demo data set."""


def pairwise_labels(data_dir: PathLike) -> Path:
    """The labelled pairs to train on."""
    return Path(data_dir, PAIRWISE, LABELS)


def set_records(data_dir: PathLike, name: str) -> Path:
    """The record file of a test set: embeddings are named after it."""
    return Path(data_dir, name, f"{name}.tfrecords")


def set_labels(data_dir: PathLike, name: str) -> Path:
    """The labelled pairs of a test set."""
    return Path(data_dir, name, LABELS)


def records_pattern(folder: PathLike) -> str:
    """The glob pattern of all record files in a folder, whatever characters its name has."""
    return os.path.join(glob.escape(os.fspath(folder)), RECORDS)


def annotation_file(data_dir: PathLike, split: str) -> Path:
    """Texts, and classes where they are known, of a split of the WeChat contest of 2022."""
    return Path(data_dir, ANNOTATIONS, f"{split}.json")


def frame_folder(data_dir: PathLike, split: str) -> Path:
    """The folder of a split's frames, `<last 3 characters of id>/<id>.zip`."""
    return Path(data_dir, FRAMES, split)


def feature_zip(data_dir: PathLike, split: str) -> Path:
    """The features of a split that are there already, `<id>.npy` each."""
    return Path(data_dir, FEATURES, f"{split}.zip")


def category_labels(data_dir: PathLike, split: str) -> Path:
    """The classes of a test set, in a file of their own."""
    return Path(data_dir, f"{split}_labels.tsv")


def all_sets_pattern(data_dir: PathLike, kind: str = "") -> str:
    """The glob pattern of the record files of all test sets; of short videos, of one kind of records."""
    return os.path.join(glob.escape(os.fspath(data_dir)), TEST_SETS, f"{kind}{RECORDS}")


FEATURES, PICTURES = "features", "pictures"
"""Kinds of records of short videos, whose files begin with these words."""


def short_videos_pattern(records_dir: PathLike, split: str, kind: str) -> str:
    """The glob pattern of the record files of a kind of one split, e.g. `records/labeled/pictures*.tfrecords`."""
    return os.path.join(glob.escape(os.fspath(records_dir)), split, f"{kind}{RECORDS}")


# --- output folder ----------------------------------------------------------------------------------------------------

OUTPUT = "output"
"""The output folder unless another one is given."""
FOLDS, PRETRAIN, FOLD_RUNS = "folds", "pretrain", "fold-*"
FULL = "full"
"""The run of a classifier, or of the linear model, that is fitted to all videos."""
RESULT, RESULT_CSV, REPORT, TIMINGS = "result.zip", "result.csv", "report.md", "timings.tsv"
LAUNCH = "run"
"""What `run.sh` locks."""


def folds_folder(output_dir: PathLike, split: str = "shuffled") -> Path:
    """The pair records of all folds of a split (`vsim_tf.records.splits`), each of which has a folder of its own."""
    return Path(output_dir, FOLDS if split == "shuffled" else f"{FOLDS}_{split}")


def model_folder(output_dir: PathLike, model: str) -> Path:
    """All runs of a model."""
    return Path(output_dir, model)


def pretrain_folder(output_dir: PathLike, model: str) -> Path:
    """The pre-training run of a model."""
    return model_folder(output_dir, model) / PRETRAIN


def fold_folder(output_dir: PathLike, model: str, fold: int | str) -> Path:
    """The fine-tuning run of a model on one fold, of a classifier also the one on all videos."""
    return model_folder(output_dir, model) / fold_name(fold)


def fold_name(fold: int | str) -> str:
    """The name of a fold's run folder; `FULL` is its own."""
    return f"fold-{fold:02d}" if isinstance(fold, int) else fold


def records_folder(output_dir: PathLike) -> Path:
    """Records of short videos, as the extraction writes them, with a folder for each split."""
    return Path(output_dir, "records")


def report_file(output: PathLike, output_dir: PathLike) -> Path:
    """The report next to a zip or csv: `report.md` of `<output_dir>/result.zip`, `<name>.report.md` of any other one."""
    path = Path(output)
    if path.absolute() in (Path(output_dir, name).absolute() for name in (RESULT, RESULT_CSV)):
        return path.with_name(REPORT)
    return path.with_name(f"{path.stem}.{REPORT}")


def page_file(report: PathLike) -> Path:
    """The page of HTML next to a report, `report.html` of `report.md`."""
    return Path(report).with_suffix(".html")


def sources_file(output: PathLike) -> Path:
    """The note next to a zip or csv that says what it was made of."""
    return Path(output).with_suffix(".source.json")


def basis_file(output_zip: PathLike) -> Path:
    """The basis of an SVD ensemble, next to its zip."""
    return Path(output_zip).with_suffix(".basis.npz")


# --- extraction -------------------------------------------------------------------------------------------------------


def shard_file(output: PathLike, shard: int, shards: int) -> Path:
    """The file of a shard, `NAME-00000-of-00004.tfrecords` of `NAME.tfrecords`; the output itself if there is but one."""
    path = Path(output)
    return path if shards == 1 else path.with_name(f"{path.stem}-{shard:05d}-of-{shards:05d}{path.suffix}")


def parts_folder(output: PathLike) -> Path:
    """What an extraction has done so far, until its output is complete."""
    return Path(f"{os.fspath(output)}.parts")


def extraction_note(output: PathLike) -> Path:
    """The note next to a complete output that says what it was made of."""
    return Path(f"{os.fspath(output)}.source.json")


# --- set of folds -----------------------------------------------------------------------------------------------------

MANIFEST, ALWAYS_TRAIN = "manifest.json", "always-train.tfrecord"
TRAIN_2021, VALIDATION_2021 = "train.tfrecord", "val.tfrecord"
"""In each folder of the 2021 layout."""


def fold_file(fold: int, num_folds: int) -> str:
    """The name of the file with a fold's validation pairs."""
    return f"{fold_name(fold)}-of-{num_folds:02d}.tfrecord"


# --- run folder -------------------------------------------------------------------------------------------------------

CONFIG, SUMMARY, METRICS_FILE, EVENTS = "config.json", "summary.json", "metrics.jsonl", "events"
PROJECTOR, PROJECTED_EMBEDDINGS, PROJECTED_TITLES = "projector_config.pbtxt", "embeddings.tsv", "titles.tsv"
"""In `events/`; TensorBoard knows the name of the first."""
TOKENIZER, SOURCE = "tokenizer", "source.json"
"""The vocabulary, and in its folder the record files whose titles it was built from."""
LAST, BEST, EMBEDDINGS, PREDICTIONS = "last", "best", "embeddings", "predictions"
CHECKPOINT = "ckpt-"


def checkpoint_name(step: int) -> str:
    """The name of the checkpoint after so many updates."""
    return f"{CHECKPOINT}{step}"


def embeddings_file(run: PathLike, test_name: str) -> Path:
    """The embeddings of a test set by a run."""
    return Path(run, EMBEDDINGS, f"{test_name}.npz")


def predictions_file(run: PathLike, test_name: str) -> Path:
    """The class logits of a test set by a run."""
    return Path(run, PREDICTIONS, f"{test_name}.npz")


def linear_file(run: PathLike) -> Path:
    """The linear model in its run folder."""
    return Path(run, "linear.npz")


# --- saved model ------------------------------------------------------------------------------------------------------

SAVED_MODEL, MODEL_CARD, TOWER = "model.json", "README.md", "tower"
"""Next to them the runs, MODEL/fold-00/ ... with one checkpoint each, and the basis of an SVD ensemble."""


def shipped_model(name: str) -> Path:
    """The folder of a saved model that comes with the package."""
    return Path(__file__).parents[1] / "pretrained" / name


# --- index ------------------------------------------------------------------------------------------------------------

INDEX_NOTE, INDEX_VECTORS, INDEX_VIDEOS = "note.json", "index.faiss", "videos.jsonl"
"""How the index was made with checksums of the others; vectors; ids with titles."""

# --- exported model ---------------------------------------------------------------------------------------------------

EXPORT, CLIENT, ONNX = "export.json", "client.py", "model.onnx"
"""Next to them the model card, and vocabularies in folders that begin with the name of a run's."""
