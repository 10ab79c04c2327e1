"""Which flag a setting is: errors of the library name settings by their path in config.json, scripts by their flags."""

import re

from vsim_tf.errors import UserError

FLAG_OF = {
    "model.name": "--model",
    "model.recipe": "--recipe",
    "model.pooling": "--uniter_pooling",
    "model.frame_embedding_size": "--frame_embedding_size",
    "model.max_frames": "--max_frames",
    "model.max_text_length": "--bert_seq_length",
    "model.embedding_size": "--hidden_size",
    "model.dropout": "--dropout",
    "model.vlad_clusters": "--vlad_cluster_size",
    "model.vlad_hidden_size": "--vlad_hidden_size",
    "model.vlad_groups": "--vlad_groups",
    "model.se_ratio": "--se_ratio",
    "training.batch_size": "--batch_size",
    "training.val_batch_size": "--val_batch_size",
    "training.total_steps": "--total_steps",
    "training.head_schedule.peak": "--lr",
    "training.head_schedule.warmup": "--warmup_steps",
    "training.head_schedule.horizon": "--lr_total_steps",
    "training.encoder_schedule.peak": "--bert_lr",
    "training.encoder_schedule.warmup": "--bert_warmup_steps",
    "training.encoder_schedule.horizon": "--bert_total_steps",
    "training.eval_every": "--eval_freq",
    "training.log_every": "--print_freq",
    "training.seed": "--seed",
    "training.precision": "--precision",
    "training.bucket_by_length": "--bucket_by_length",
    "training.jit_compile": "--jit_compile",
    "training.length_multiple": "--length_multiple",
    "training.clip_norm": "--clip_norm",
    "training.labels": "--labels",
    "training.kl_weight": "--kl_weight",
}
"""Settings that have a flag of their own."""

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
