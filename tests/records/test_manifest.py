import dataclasses
import json

import pytest
from script_flags import refused

from vsim_tf.errors import UserError
from vsim_tf.io.files import fingerprint
from vsim_tf.records.manifest import (
    FileEntry,
    FoldEntry,
    Manifest,
    Settings,
    Statistics,
    fold_files,
    read_manifest,
    write_manifest,
)
from vsim_tf.records.tfrecords import write_records


@pytest.fixture
def folder(tmp_path):
    files = {}
    for name, count in (("fold-00-of-02.tfrecord", 3), ("fold-01-of-02.tfrecord", 2)):
        write_records(tmp_path / name, (bytes([number]) for number in range(count)))
        written = fingerprint(tmp_path / name)
        files[name] = FileEntry(count, written["bytes"], written["sha256"])
    first, second = files
    write_manifest(
        tmp_path,
        Manifest(
            settings=Settings("once", 2, 42, 8, {"name": "label.tsv"}, []),
            files=files,
            folds=[FoldEntry([second], [first], 1), FoldEntry([first], [second], 1)],
            statistics=Statistics(5, 0, 0, 0, 4, 0, {"0.5": 5}),
        ),
    )
    return tmp_path


def edit(folder, change):
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def test_reads_back_what_was_written(folder):
    manifest = read_manifest(folder)
    before = (folder / "manifest.json").read_bytes()
    write_manifest(folder, dataclasses.replace(manifest))
    assert (folder / "manifest.json").read_bytes() == before
    assert manifest.num_folds == 2 and manifest.records(manifest.folds[0].train) == 2
    assert sorted(path.name for path in folder.iterdir()) == [*sorted(manifest.files), "manifest.json"]


def test_a_manifest_of_a_version_without_splits_is_of_the_shuffled_one(folder):
    edit(folder, lambda content: content["settings"].pop("split"))
    assert read_manifest(folder).settings.split == "shuffled"


def test_fold_files(folder):
    first, second = (str(folder / f"fold-0{fold}-of-02.tfrecord") for fold in range(2))
    assert fold_files(folder, 0) == ([second], [first])
    assert fold_files(folder, 1) == ([first], [second])
    with pytest.raises(UserError, match=r"fold 2 is not in .* 0 to 1"):
        fold_files(folder, 2)


def test_no_manifest(tmp_path):
    with pytest.raises(UserError, match=r"manifest.json does not exist; write_tfrecord.py makes it"):
        read_manifest(tmp_path)


def test_a_missing_file(folder):
    (folder / "fold-01-of-02.tfrecord").unlink()
    with pytest.raises(UserError, match=r"fold-01-of-02.tfrecord: the file is missing"):
        read_manifest(folder)


def test_a_file_cut_at_a_record_boundary(folder):
    path = folder / "fold-00-of-02.tfrecord"
    path.write_bytes(path.read_bytes()[:-17])
    with refused(r"fold-00-of-02.tfrecord: has 2 records in 34 bytes.* 3 in 51.*--overwrite"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema_version=0), "schema version 0; expected 2"),
        (lambda c: c.pop("folds"), "not as write_tfrecord.py writes it"),
        (lambda c: c["settings"].update(colour="red"), "colour"),
        (lambda c: c.update(files=[]), "not as write_tfrecord.py writes it"),
        (lambda c: c["files"]["fold-00-of-02.tfrecord"].update(records="3"), "has '3' records"),
        (lambda c: c["folds"][0].update(train=["../secret"]), "a fold has {'../secret'}, which is not among the files"),
        (lambda c: c["files"].update({"../other": c["files"]["fold-00-of-02.tfrecord"]}), "'../other' is outside the folder"),
        (lambda c: c["files"].update({"/etc/other": c["files"]["fold-00-of-02.tfrecord"]}), "'/etc/other' is outside the folder"),
    ],
)
def test_a_manifest_of_another_kind(folder, change, message):
    edit(folder, change)
    with pytest.raises(UserError, match=message):
        read_manifest(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_manifest_that_is_no_manifest(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"manifest.json: "):
        read_manifest(folder)
