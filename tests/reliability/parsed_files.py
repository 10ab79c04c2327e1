"""Every file that is parsed: how a valid one is made, and what reads it."""

import dataclasses
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import tokenizers
import toy_towers
import toys
from safetensors.numpy import load_file, save_file

from vsim_tf.checks.folder import check_folder
from vsim_tf.ensemble.curves import read_curve, validation_curve
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.ensemble.timings import read_timings
from vsim_tf.features.sources import FeatureFiles
from vsim_tf.inference.linear_model import LinearModel
from vsim_tf.input.decoding import check_record
from vsim_tf.input.pipeline import TrainingData, readable_errors
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.clip_weights import load_vision_tower, read_vision_config
from vsim_tf.models.hub_folder import load_hub_tokenizer
from vsim_tf.models.hub_weights import load_pretrained, read_encoder_config
from vsim_tf.records.annotations import read_annotations
from vsim_tf.records.category_files import read_categories
from vsim_tf.records.classes import read_class_table
from vsim_tf.records.embeddings import Embeddings, read_embeddings, read_submission, write_embeddings, write_submission
from vsim_tf.records.labels import Scale, read_labels
from vsim_tf.records.manifest import FileEntry, FoldEntry, Manifest, Settings, Statistics, fold_files, write_manifest
from vsim_tf.records.predictions import Predictions, read_predictions, write_predictions
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import count_records, read_records
from vsim_tf.records.video_tables import read_video_table
from vsim_tf.records.videos import VideoIndex, read_ids
from vsim_tf.runs.run_folder import (
    RunFolder,
    RunSettings,
    prepare_run_folder,
    read_summary,
    write_summary,
)
from vsim_tf.text.tokenizers import load_tokenizer
from vsim_tf.training.console import announce_finished
from vsim_tf.training.run_log import RunLog

ENCODER_SIZES = {
    "vocab_size": 11, "hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 12, "max_positions": 9
}  # fmt: skip
TOWER = toy_towers.built_tower()
PLAIN = toys.batch_format()
TRIMMED = dataclasses.replace(PLAIN, trim_text=True, trim_frames=True)


class Parser(NamedTuple):
    """A file that is parsed.

    Attributes:
        file: its name, relative to the folder that `make` fills.
        make: writes a folder with a file in it that is accepted.
        read: parses it, called with the folder.
    """

    file: str
    make: Callable[[Path], Any]
    read: Callable[[Path], Any]


def text_file(name: str, text: str, read: Callable[[Path], Any]) -> Parser:
    return Parser(name, lambda folder: (folder / name).write_text(text, encoding="utf-8"), lambda folder: read(folder / name))


# --- folders with a valid file ----------------------------------------------------------------------------------------


def make_manifest(folder: Path):
    files = {}
    for name, count in (("fold-00-of-02.tfrecord", 3), ("fold-01-of-02.tfrecord", 2)):
        toys.write_records(folder / name, [b"record"] * count)
        files[name] = FileEntry(count, (folder / name).stat().st_size, "0" * 64)
    first, second = files
    folds = [FoldEntry([second], [first], 1), FoldEntry([first], [second], 1)]
    inputs = {"name": "label.tsv", "bytes": 1, "sha256": "0" * 64}
    write_manifest(
        folder, Manifest(Settings("once", 2, 42, 8, inputs, [inputs]), files, folds, Statistics(5, 0, 0, 0, 4, 0, {"1": 5}))
    )


def run_settings() -> RunSettings:
    return RunSettings("pair", toys.model("uniter"), toys.stage(), toys.TOKENIZERS["bert"], toys.TAGS, {"pairs": 3})


def make_run(folder: Path):
    prepare_run_folder(folder, run_settings(), overwrite=False)
    write_summary(folder, {"step": 6, "spearman": 0.5, "best_spearman": 0.5, "best_step": 3})
    lines = [{"step": 0, "validation/spearman": 0.1}, {"step": 2, "loss": 1.5}, {"step": 3, "validation/spearman": 0.2}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_run(folder: Path):
    RunFolder.open(folder).batch_format()
    prepare_run_folder(folder, run_settings(), overwrite=False)


def make_submission(folder: Path):
    write_submission(folder / "a.zip", Embeddings(["1", "天"], np.array([[0.5, 1], [2, -3.25]])))


def make_embeddings(folder: Path):
    write_embeddings(folder / "a.npz", Embeddings(["1", "天"], np.array([[0.5, 1], [2, -3.25]])))


def make_predictions(folder: Path):
    write_predictions(folder / "a.npz", Predictions(["1", "天"], ("0000", "0100"), np.array([[0.5, 1], [2, -3.25]])))


ANNOTATIONS = [
    {"id": f"{number}", "title": "天地", "asr": "", "ocr": [{"time": 1, "text": "人"}], "category_id": "0100"}
    for number in range(2)
]


def make_basis(folder: Path):
    SvdBasis(("a", "天"), (2, 3), (0.5, 1.0), np.eye(5, 2), mean=np.arange(5.0)).save(folder / "a.npz")


def make_linear(folder: Path):
    numbers = (np.ones(shape, np.float32) for shape in (2, 3, 3, (5, 4), 4))
    LinearModel(("a", "天"), *numbers).save(folder / "a.npz")


ENCODER = TransformerEncoder(EncoderConfig(kind="bert", **ENCODER_SIZES), pooler=True)
ENCODER.build(None)


def torch_name(name: str) -> str:
    name = re.sub(r"/(kernel|embeddings|gamma)$", "/weight", name.replace("layer_._", "layer/"))
    return re.sub(r"/beta$", "/bias", name).replace("/", ".")


def make_safetensors(folder: Path):
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in ENCODER.named_weights().items()}
    transposed = {torch_name(name): value.T if name.endswith("kernel") else value for name, value in weights.items()}
    save_file({name: np.ascontiguousarray(value) for name, value in transposed.items()}, folder / "model.safetensors")


def make_h5(folder: Path):
    with h5py.File(folder / "tf_model.h5", "w") as file:
        for name, weight in ENCODER.named_weights().items():
            file[f"bert/model/bert/{name}:0"] = np.ones(weight.shape, np.float32)


def read_videos(folder: Path):
    """Every reader of video records; they must agree on what is legal."""
    file = str(folder / "a.tfrecords")
    count_records(file)
    ids = read_ids([file])
    with VideoIndex([file], toys.DIM) as index:
        [index.read(video) for video in ids]
    for _, data in read_records(file):
        check_record(data, "videos", toys.DIM, file)
    embed_and_train(file, "videos")


def embed_and_train(file: str, kind: str):
    """What goes into a model; records that `check_record` accepts must go through without an error."""
    with readable_errors():
        list(toys.evaluation_batches([file], kind, PLAIN, 3))
        list(TrainingData([file], kind, TRIMMED, 1, seed=1).batches().take(3))


def read_batches(folder: Path):
    embed_and_train(str(folder / "a.tfrecords"), "videos")


def read_pairs(folder: Path):
    embed_and_train(str(folder / "a.tfrecords"), "pairs")


VOCABULARY = "".join(f"{token}\n" for token in toys.VOCABULARY)
HUB_CONFIG = {
    "model_type": "bert", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 96, "max_position_embeddings": 40, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
}  # fmt: skip


def make_tokenizer(folder: Path):
    toys.TOKENIZERS["bert"].save(folder)


def make_tokenizer_json(folder: Path):
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece({t: i for i, t in enumerate(toys.VOCABULARY)}, unk_token="[UNK]"))
    backend.normalizer = tokenizers.normalizers.BertNormalizer()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.save(str(folder / "tokenizer.json"))


def make_hub_tokenizer(folder: Path):
    make_tokenizer(folder)
    make_tokenizer_json(folder)
    (folder / "special_tokens_map.json").write_text('{"cls_token": "[CLS]", "sep_token": {"content": "[SEP]", "lstrip": false}}')


def read_hub_tokenizer(folder: Path):
    load_hub_tokenizer(folder, "bert").encode_batch(["天地 abc", ""], 8)


def make_shards(folder: Path):
    make_safetensors(folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    index = {"weight_map": dict.fromkeys(tensors, "one.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def encode(kind: str) -> Callable[[Path], Any]:
    return lambda path: load_tokenizer(path, kind).encode_batch(["天地 abc", ""], 8)


VIDEO_TABLE = 'id,title,tags,category_id,features\n7,"天, 地",3 -4,0102,7.npy\n007,,,,a/7.npy\n'


def make_features(folder: Path):
    np.save(folder / "7.npy", np.arange(2 * toys.DIM, dtype=np.float16).reshape(2, toys.DIM))


def read_features(folder: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a header that looks like one of Python 2
        FeatureFiles("", {"7": str(folder / "7.npy")}, toys.DIM).read("7")


def make_data(folder: Path):
    """A data folder of pairs."""
    for name in ("pointwise", "pairwise"):
        (folder / name).mkdir(exist_ok=True)
        toys.write_records(folder / name / "a.tfrecords", toys.random_videos(4))
    (folder / "pairwise/label.tsv").write_text("v0\tv1\t0.5\nv2\tv3\t1\n")
    (folder / "tag_list.txt").write_text("3\n10\n")


def make_annotations(folder: Path):
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations/labeled.json").write_text(json.dumps(ANNOTATIONS), encoding="utf-8")


PARSERS = {
    "label file": text_file("label.tsv", "1\t2\t0.5\n007\t2\t1\n", read_labels),
    "label file with a header and commas": text_file(
        "scores.csv", "a,b,score\n1,2,0.5\n007,2,5\n", lambda path: read_labels(path, Scale(0, 5))
    ),
    "table of videos": text_file("videos.csv", VIDEO_TABLE, read_video_table),
    "features of a video": Parser("7.npy", make_features, read_features),
    "records of a data folder": Parser("pairwise/a.tfrecords", make_data, check_folder),
    "labels of a data folder": Parser("pairwise/label.tsv", make_data, check_folder),
    "tags of a data folder": Parser("tag_list.txt", make_data, check_folder),
    "annotations of a data folder": Parser("annotations/labeled.json", make_annotations, check_folder),
    "class table": text_file("category_ids.txt", "0000\n0001\n0100\n", read_class_table),
    "classes of videos": text_file("result.csv", "007,0001\n7,0100\n", read_categories),
    "annotations": text_file("labeled.json", json.dumps(ANNOTATIONS), lambda path: read_annotations(path, labelled=True)),
    "tag list": text_file("tag_list.txt", "100\n20\tname\n-3\n", read_tag_list),
    "timings": text_file("timings.tsv", "folds\t3\npre-training\t10.5\t1500000000\n", read_timings),
    "vocabulary, bert": text_file("vocab.txt", VOCABULARY, encode("bert")),
    "vocabulary, roformer": text_file("vocab.txt", VOCABULARY, encode("roformer")),
    "tokenizer_config.json": Parser("tokenizer_config.json", make_tokenizer, encode("bert")),
    "tokenizer.json": Parser("tokenizer.json", make_tokenizer_json, encode("bert")),
    "manifest.json": Parser("manifest.json", make_manifest, lambda folder: fold_files(folder, 1)),
    "fold file": Parser("fold-01-of-02.tfrecord", make_manifest, lambda folder: fold_files(folder, 1)),
    "config.json": Parser("config.json", make_run, read_run),
    "summary.json": Parser("summary.json", make_run, lambda folder: announce_finished("run", read_summary(folder), folder)),
    "metrics.jsonl, report": Parser("metrics.jsonl", make_run, lambda folder: validation_curve(folder / "metrics.jsonl")),
    "metrics.jsonl, page": Parser("metrics.jsonl", make_run, lambda folder: read_curve(folder / "metrics.jsonl", "loss")),
    "metrics.jsonl, training": Parser("metrics.jsonl", make_run, lambda folder: RunLog(folder, 3, 3).validation(3)),
    "config.json of a hub folder": text_file(
        "config.json", json.dumps(HUB_CONFIG), lambda path: EncoderConfig(**read_encoder_config(path.parent, "bert"))
    ),
    "tokenizer_config.json of a hub folder": Parser("tokenizer_config.json", make_hub_tokenizer, read_hub_tokenizer),
    "special_tokens_map.json": Parser("special_tokens_map.json", make_hub_tokenizer, read_hub_tokenizer),
    "config.json of a CLIP folder": Parser("config.json", toy_towers.write_clip, read_vision_config),
    "safetensors of a CLIP folder": Parser(
        "model.safetensors", toy_towers.write_clip, lambda folder: load_vision_tower(TOWER, folder)
    ),
    "safetensors": Parser("model.safetensors", make_safetensors, lambda folder: load_pretrained(ENCODER, folder)),
    "index of shards": Parser("model.safetensors.index.json", make_shards, lambda folder: load_pretrained(ENCODER, folder)),
    "h5": Parser("tf_model.h5", make_h5, lambda folder: load_pretrained(ENCODER, folder)),
    "video records": Parser(
        "a.tfrecords", lambda folder: toys.write_records(folder / "a.tfrecords", toys.random_videos(4)), read_videos
    ),
    "pair records": Parser(
        "a.tfrecords", lambda folder: toys.write_records(folder / "a.tfrecords", toys.random_pairs(4)), read_pairs
    ),
    "submission zip": Parser("a.zip", make_submission, lambda folder: read_submission(folder / "a.zip", max_bytes=10**6)),
    "basis npz": Parser("a.npz", make_basis, lambda folder: SvdBasis.load(folder / "a.npz", max_bytes=10**6)),
    "linear npz": Parser("a.npz", make_linear, lambda folder: LinearModel.load(folder / "a.npz", max_bytes=10**6)),
    "embeddings npz": Parser("a.npz", make_embeddings, lambda folder: read_embeddings(folder / "a.npz", max_bytes=10**6)),
    "predictions npz": Parser("a.npz", make_predictions, lambda folder: read_predictions(folder / "a.npz", max_bytes=10**6)),
}
JSON_FILES = [
    "tokenizer_config.json", "tokenizer.json", "manifest.json", "config.json", "summary.json", "config.json of a hub folder",
    "tokenizer_config.json of a hub folder", "special_tokens_map.json", "index of shards", "annotations",
    "config.json of a CLIP folder", "annotations of a data folder",
]  # fmt: skip
