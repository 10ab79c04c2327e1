"""Which flag a setting is: the library names settings by their path in config.json, and arguments; scripts name flags."""

import re
from collections.abc import Sequence

from vsim_tf.cli.settings import FLAG_OF
from vsim_tf.errors import UserError

FLAGS_BEHIND = {
    "model.encoder": "--size, --bert_dir, --roformer_dir, --bert_vocab or --roformer_vocab",
    "model.num_tags": "--multi_label_file or --data_dir",
    "model": "--model, --size or --recipe",
    "tokenizer": "--bert_vocab, --roformer_vocab, --bert_dir, --roformer_dir or the titles of the training videos",
    "tags": "--multi_label_file or --data_dir",
    "data.pairs": "--annotation_file or --data_dir",
    "data.pretrained": "--pretrained_dir",
    "data.features_by": "the tower that made the records of --data_dir",
    "data.train": "--train_record_pattern, --folds_dir or --data_dir",
    "data.validation": "--val_record_pattern, --folds_dir or --data_dir",
}
"""What decides the other settings, for a path and all below it; the first that fits counts."""

ARGUMENTS = (
    "output_dir", "overwrite", "keep_optimizer", "epochs", "num_folds", "split", "layout", "frame_embedding_size", "model",
    "batch_size", "skip_damaged", "resize", "crop", "fps", "count", "shard", "ocr", "max_frames",
    "records_per_file", "scores", "scale", "output", "features", "videos", "models", "weights", "method", "normalize",
    "test_name", "checkpoint", "clip_dir", "tower_dir", "preset", "tag_list",
    "num_pointwise", "num_pairwise_videos", "num_pairs", "num_test_videos", "num_test_pairs", "seed",
    "num_unlabeled", "num_labeled", "num_video_files", "picture_size", "format", "threshold", "exact_below",
    "host", "port", "max_videos", "max_text", "max_body_mb", "max_queue", "timeout",
)  # fmt: skip
"""Arguments of the library's functions that are flags of the same name."""

FLAG_OF_ARGUMENT = {name: f"--{name}" for name in ARGUMENTS} | {
    "tag_file": "--multi_label_file",
    "test_files": "--test_file",
    "folds.overwrite": "--overwrite (to write_tfrecord.py)",
    "pretrain.overwrite": "--overwrite (to run.sh: --pretrain_flags=--overwrite)",
    "pair.overwrite": "--overwrite (to run.sh: --finetune_flags=--overwrite)",
    **dict.fromkeys((f"training.tasks.{task}.dims" for task in ("mse", "kl", "pair")), "--matryoshka"),
}
"""Arguments that have a flag, some by the stage that takes it."""

_BEGIN, _END = r"(?<![\w./'\"-])", r"(?![\w/'\"-]|\.\w)"
"""Around a whole name that is no part of a file's."""


def in_flags(error: UserError) -> str:
    """The message of an error with the flag of each setting that it names."""
    return with_flags(str(error), error.fields)


def with_flags(message: str, fields: Sequence[str]) -> str:
    """A message with the flags of the settings and arguments that it names; `name=True` becomes the flag alone."""
    for path in fields:
        if flag := FLAG_OF.get(path) or FLAG_OF_ARGUMENT.get(path):
            message = re.sub(_pattern(path, message), flag, message)
        elif behind := _flags_behind(path):
            message = re.sub(rf"{_BEGIN}{re.escape(path)}{_END}", f"{path} (by {behind})", message)
    return message


def _pattern(path: str, message: str) -> str:
    """The pattern of a setting: its whole path, or its last part before "=". An argument may be a common word ("models"): where
    it is before "=" somewhere, it is itself there alone.
    """
    name = path.rpartition(".")[2]
    given = rf"{_BEGIN}{re.escape(name)}(?:=True\b|(?==))"
    only_given = path == name and re.search(given, message)
    return given if only_given else rf"{given}|{_BEGIN}{re.escape(path)}{_END}"


def _flags_behind(path: str) -> str | None:
    return next((flags for prefix, flags in FLAGS_BEHIND.items() if f"{path}.".startswith(f"{prefix}.")), None)
