"""Which flag a setting is: errors of the library name settings by their path in config.json, scripts by their flags."""

import re

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
    "data.train": "--train_record_pattern, --folds_dir or --data_dir",
    "data.validation": "--val_record_pattern, --folds_dir or --data_dir",
}
"""What decides the other settings, for a path and all below it; the first that fits counts."""


def in_flags(error: UserError) -> str:
    """The message of an error with the flag of each setting that it names."""
    message = str(error)
    for path in error.fields:
        if flag := FLAG_OF.get(path):
            name = re.escape(path.rpartition(".")[2])
            message = re.sub(rf"(?<![\w./-]){re.escape(path)}(?![\w.])|(?<![\w./-]){name}(?==)", flag, message)
        elif behind := _flags_behind(path):
            message = re.sub(rf"(?<![\w./-]){re.escape(path)}(?![\w.])", f"{path} (by {behind})", message)
    return message


def _flags_behind(path: str) -> str | None:
    return next((flags for prefix, flags in FLAGS_BEHIND.items() if f"{path}.".startswith(f"{prefix}.")), None)
