"""Every message that docs/data.md quotes is provoked, and says what is quoted."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.checks.folder import check_folder
from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.ensemble.find import find_members
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import pair_spearman
from vsim_tf.inference.embedding_notes import require_distinct_names
from vsim_tf.input.decoding import check_record
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.files import exclusive, require_existing
from vsim_tf.records import fold_writer
from vsim_tf.records.embeddings import Embeddings, check_embeddings
from vsim_tf.records.labels import UNIT_SCALE, Pair, Scale, read_labels
from vsim_tf.records.manifest import fold_files
from vsim_tf.records.rank_labels import RankLabels
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import count_records, expand_pattern, read_records
from vsim_tf.records.video_tables import read_video_table
from vsim_tf.records.videos import video_record
from vsim_tf.runs.checkpoint_files import require_checkpoint
from vsim_tf.runs.run_folder import RunSettings, prepare_run_folder
from vsim_tf.text.tokenizers import load_tokenizer

DOCUMENT = (Path(__file__).parents[1] / "docs/data.md").read_text(encoding="utf-8")
PLACEHOLDER = re.compile(r"\.\.\.|\b(?:PATH|FILE|FOLDER|PATTERN|ID)\b|(?<!\w)\d(?:[\d,.]*\d)?")
FRAMES = np.zeros((2, toys.DIM))


def documented() -> dict[str, list[str]]:
    """Messages of the table by the mistake of their row."""
    table = DOCUMENT[DOCUMENT.index("| mistake | message") :].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {mistake: re.findall(r"`([^`]+)`", message) for mistake, message, _ in rows}


def pattern(message: str) -> re.Pattern:
    """A message with anything for its placeholders and any number for its numbers."""
    words, ends = [], 0
    for found in PLACEHOLDER.finditer(message):
        words += [re.escape(message[ends : found.start()]), r"[\d,.]+" if found[0][0].isdigit() else ".*"]
        ends = found.end()
    return re.compile("".join(words) + re.escape(message[ends:]), re.DOTALL)


# --- mistakes ---------------------------------------------------------------------------------------------------------


def labels(text: str | bytes, scale: Scale = UNIT_SCALE) -> Callable:
    def read():
        path = Path("label.tsv" if scale == UNIT_SCALE else "scores.csv")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        read_labels(path, scale)

    return read


def table(text: str) -> Callable:
    def read():
        Path("videos.csv").write_text(text)
        read_video_table("videos.csv")

    return read


def tags(text: str) -> Callable:
    def read():
        Path("tag_list.txt").write_text(text)
        read_tag_list("tag_list.txt")

    return read


def records(*contents: bytes) -> str:
    return toys.write_records("a.tfrecords", contents)


def checked(content: bytes) -> Callable:
    return lambda: check_record(content, "videos", toys.DIM, "a.tfrecords, record 0")


def altered(change: Callable) -> bytes:
    example = tf.train.Example.FromString(video_record("v", "title", FRAMES, tags=[3]))
    change(example.features.feature)
    return example.SerializeToString()


def damaged(change: Callable[[bytes], bytes]) -> Callable:
    def read():
        path = Path(records(video_record("v", "title", FRAMES)))
        path.write_bytes(change(path.read_bytes()))
        list(read_records(path))

    return read


def a_video():
    Path("clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    count_records("clip.mp4")


def write_folds(videos: list[bytes], label_lines: str, **changes):
    Path("label.tsv").write_text(label_lines)
    values = {"num_folds": 2, "frame_embedding_size": toys.DIM} | changes
    fold_writer.write_folds(records(*videos), "label.tsv", "folds", **values)


def folds(**changes):
    videos = [video_record(f"v{i}", "title", FRAMES + i) for i in range(5)]
    write_folds(videos, "".join(f"v{i}\tv{i + 1}\t0.5\n" for i in range(4)), **changes)


def missing_ids():
    write_folds([video_record("v1", "", FRAMES)], "v1\tv2\t0.5\nv3\tv4\t0.5\n")


def other_ids(label_lines: str) -> Callable:
    return lambda: write_folds([video_record("1", "", FRAMES)], label_lines, split="modulo")


def two_records_of_one_id():
    write_folds([video_record("v1", title, FRAMES) for title in ("one", "two")], "v1\tv1\t0.5\n" * 2)


def no_space(patch):
    patch.setattr(fold_writer.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 0))
    folds()


def no_space_for_a_stage():
    require_space("output", 10**18, "checkpoints of 11 runs")


def other_test_sets():
    for fold in range(11):
        (Path("output/uniter") / f"fold-{fold:02d}" / "embeddings").mkdir(parents=True)
        (Path("output/uniter") / f"fold-{fold:02d}" / "embeddings/test_a.npz").touch()
    find_members("output", {"uniter": [3, 4]}, "test_b")


def basis_of_other_models():
    basis = SvdBasis(("uniter", "uniter_asl"), (256, 256), (0.5, 0.5), np.eye(512, 256), "FILE")
    basis.require({"uniter": 256}, {"uniter": 1})


def no_basis():
    Path("result.basis.npz").write_bytes(b"PK")
    SvdBasis.load("result.basis.npz")


def another_checkpoint():
    Path("run/last").mkdir(parents=True)
    Path("run/last/ckpt-4000.index").touch()
    require_checkpoint("run/last/ckpt-3000")


def two_writers():
    folds()
    with exclusive("folds"):
        folds(overwrite=True)


def broken_folds(change: Callable[[Path], None]) -> Callable:
    def read():
        folds()
        change(Path("folds/fold-01-of-02.tfrecord"))
        fold_files("folds", 1)

    return read


def other_folds():
    folds()
    folds(seed=7)


def other_run():
    for seed in (42, 7):
        stage = toys.stage(seed=seed)
        settings = RunSettings("pair", toys.model("uniter"), stage, toys.TOKENIZERS["bert"], toys.TAGS, {})
        prepare_run_folder(Path("run"), settings, overwrite=False)


def few_records():
    TrainingData([records(*toys.random_videos(3))], "videos", toys.batch_format(), 4, 0)


def vocabulary(*tokens: str):
    Path("vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    load_tokenizer("vocab.txt", "bert")


def another_tokenizer():
    Path("hub").mkdir()
    Path("hub/tokenizer.json").write_text(json.dumps({"model": {"type": "BPE"}}))
    load_tokenizer("hub", "bert")


def embeddings(*rows: float, ids=("a", "b"), expected=None):
    check_embeddings(Embeddings(list(ids), np.array(rows, "float32")[:, None]), "result.zip", expected)


NAN = np.array([[0.0] * toys.DIM, [np.nan] * toys.DIM])
MISTAKES: dict[str, list[Callable]] = {
    "a path does not exist": [lambda: require_existing("none"), lambda: read_labels("none")],
    "a pattern matches nothing, or names a folder": [lambda: expand_pattern("*.tfrecords"), lambda: expand_pattern(".")],
    "wrong number of columns": [labels("a\tb\n")],
    "a score that is not a number": [labels("a\tb\t1\nc\td\thigh\n")],
    "a score outside [0, 1]": [labels("a\tb\t4\nc\td\t5\n")],
    "a score outside of `--scale`": [labels("a\tb\t6\nc\td\t0\n", Scale(0, 5))],
    "a row of a table that cannot be used": [table("id,title,tags\n1,,3 1.5\n")],
    "a table without a column that is needed": [table("name,title\n1,\n")],
    "a folder that holds none of these files": [lambda: check_folder(".")],
    "an empty id, or one with blanks": [labels("a\t 12\t1\n")],
    "an empty text file": [labels("")],
    "a blank line, a carriage return within a line, not UTF-8": [
        labels("a\tb\t1\n\nc\td\t1\n"), labels("a\tb\t1\rc\td\t1"), labels(b"a\t\xff\t1\n"),
    ],
    "a tag that is no integer": [tags("1\n2\nx\n")],
    "labelled ids without a record": [missing_ids],
    "the same at validation or in the report": [lambda: pair_spearman(Embeddings(["a"], np.ones((1, 2))), [Pair("a", "b", 1.0)])],
    "two different records of one id": [two_records_of_one_id],
    "a record lacks `id`, `title` or `frame_feature`": [lambda: checked(altered(lambda feature: feature.pop("title")))()],
    "two titles in a record": [lambda: checked(altered(lambda f: f["title"].bytes_list.value.append(b"two")))()],
    "a frame of another length": [checked(video_record("v", "title", np.zeros((1, 5))))],
    "NaN or infinity in a frame": [checked(video_record("v", "title", NAN))],
    "a key of another type": [lambda: checked(altered(lambda f: f["tag_id"].bytes_list.value.append(b"3")))()],
    "an empty file of video records": [lambda: expand_pattern(records())],
    "a truncated or damaged file": [damaged(lambda data: data[:-3]), damaged(lambda data: data[:-5] + b"?" + data[-4:])],
    "a video, a picture or a text file in place of records": [a_video],
    "fewer pairs than folds": [lambda: folds(num_folds=11)],
    "ids that are no integers": [other_ids("1\t1\t0.5\nv1\t2\t0.5\n")],
    "a fold without validation pairs": [other_ids("1\t1\t0.5\n1\t2\t0.5\n")],
    "fewer records than a batch": [few_records],
    "nothing to rank": [lambda: RankLabels(np.array([0.5, 0.5]))],
    "not enough space": [no_space],
    "not enough space for a stage": [no_space_for_a_stage],
    "two writers of one folder": [two_writers],
    "a fold file is missing or has another size": [
        broken_folds(Path.unlink), broken_folds(lambda path: path.write_bytes(path.read_bytes() * 2)),
    ],
    "the output folder holds something else": [other_folds, other_run],
    "embeddings of another test file than is there": [lambda: embeddings(1, 2, expected=["a", "c"])],
    "embeddings of a test set are missing": [other_test_sets],
    "a basis of another ensemble, or another file": [basis_of_other_models, no_basis],
    "a checkpoint is missing": [another_checkpoint],
    "two test files of one name": [lambda: require_distinct_names(["a/test_b.tfrecords", "b/test_b.tfrecords"])],
    "an id twice in a test file": [lambda: embeddings(1, 2, ids=("a", "a"))],
    "a number that is not finite in an embedding": [lambda: embeddings(1, np.nan)],
    "a vocabulary without a special token": [lambda: vocabulary("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a")],
    "a Hugging Face folder with another tokenizer": [another_tokenizer],
}  # fmt: skip


def test_every_mistake_of_the_table_is_tried():
    assert {mistake: len(messages) for mistake, messages in documented().items()} == {
        mistake: len(provoked) for mistake, provoked in MISTAKES.items()
    }


@pytest.mark.parametrize(("mistake", "number"), [(m, i) for m, provoked in MISTAKES.items() for i in range(len(provoked))])
def test_the_message_is_the_documented_one(tmp_path, monkeypatch, mistake, number):
    monkeypatch.chdir(tmp_path)
    Path("a file").touch()
    provoke, message = MISTAKES[mistake][number], documented()[mistake][number]
    with pytest.raises(UserError) as caught:
        provoke(monkeypatch) if provoke is no_space else provoke()
    assert pattern(message).search(in_flags(caught.value)), (message, in_flags(caught.value))
