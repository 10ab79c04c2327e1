"""The folder of an index: nothing of it may be missing, damaged or of another index."""

import json
from pathlib import Path

import pytest
from vectors import clustered

from vsim_tf.errors import UserError
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.search.index import Index

pytest.importorskip("faiss")


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "index")
    return tmp_path / "index"


def write(folder: Path, seed: int = 0):
    Index.build(Embeddings([f"v{number}" for number in range(9)], clustered(9, 4, seed)), ["天\n地"] * 9).save(folder)


def change_note(folder: Path, **values):
    note = json.loads((folder / "note.json").read_text())
    (folder / "note.json").write_text(json.dumps(note | values))


def flip(file: Path):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_files(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["index.faiss", "note.json", "videos.jsonl"]
    lines = (folder / "videos.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[0] == '{"id": "v0", "title": "天\\n地"}' and len(lines) == 9
    assert Index.open(folder).titles == ["天\n地"] * 9


@pytest.mark.parametrize("name", ["index.faiss", "videos.jsonl"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip, "is damaged, or of another index: its checksum is not that in note.json"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "is damaged"),
        (lambda file: file.write_bytes(b""), "is damaged"),
        (Path.unlink, "is missing; build the index again"),
    ],
)
def test_a_damaged_file_is_refused(folder, name, damage, message):
    damage(folder / name)
    with pytest.raises(UserError, match=f"{name} {message}"):
        Index.open(folder)


@pytest.mark.parametrize("name", ["index.faiss", "videos.jsonl"])
def test_a_file_of_another_index_is_refused(folder, tmp_path, name):
    write(tmp_path / "other", seed=1)
    change_note(tmp_path / "other", videos=10)
    (tmp_path / "other/videos.jsonl").write_text("{}\n")
    (folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(UserError, match=f"{name} is damaged, or of another index"):
        Index.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not the note of an index"),
        ({"version": 2}, "written in version 2, this vsim_tf reads 1; take a newer vsim_tf"),
        ({"videos": 10}, "says 10 videos, 4 dimensions, exact; the files hold others"),
        ({"dim": 5}, "says 9 videos, 5 dimensions, exact; the files hold others"),
        ({"dim": "4"}, "damaged; build the index again"),
        ({"clusters": 1}, "damaged"),
        ({"clusters": [1]}, "damaged"),
        ({"more": 1}, "damaged"),
        ({"sha256": None}, "damaged"),
        ({"fingerprint": [[1.0]]}, "damaged"),
        ({"fingerprint": [[None] * 4]}, "damaged"),
    ],
)
def test_a_wrong_note_is_refused(folder, change, message):
    change_note(folder, **change)
    with pytest.raises(UserError, match=f"note.json: {message}"):
        Index.open(folder)


def test_a_note_that_is_no_json_is_refused(folder):
    (folder / "note.json").write_text("{")
    with pytest.raises(UserError, match=r"note.json: not JSON"):
        Index.open(folder)


def test_another_folder_is_no_index(folder):
    with pytest.raises(UserError, match=r" is no index: it has no note.json \(.* holds 1: index\); `vsim-tf index` writes one"):
        Index.open(folder.parent)


def test_a_folder_that_is_there_is_not_replaced(folder):
    with pytest.raises(UserError, match="index is there already; remove it, or give another folder"):
        write(folder)
    assert len(Index.open(folder)) == 9
