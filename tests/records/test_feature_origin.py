"""Features of files by one tower, by two, and by nobody knows which."""

import json

import pytest

from vsim_tf.errors import UserError
from vsim_tf.io.paths import extraction_note
from vsim_tf.records.feature_origin import Origin, origin_of, require_same_tower

FIRST, SECOND = Origin("/models/first", "a" * 64), Origin("/models/second", "b" * 64)


def write_note(file, origin, **others) -> str:
    settings = {"tower": origin and origin.to_json(), "kind": "features"} | others
    extraction_note(file).write_text(json.dumps({"settings": settings}))
    return str(file)


def test_files_without_notes_and_notes_without_towers_say_nothing(tmp_path):
    noted = write_note(tmp_path / "b.tfrecords", None)
    assert origin_of([]) is None
    assert origin_of([tmp_path / "a.tfrecords", noted]) is None
    extraction_note(noted).write_text("{}")
    assert origin_of([noted]) is None


@pytest.mark.parametrize("value", [None, "first", {"tower": "first"}, {"tower": "first", "sha256": 1}], ids=str)
def test_what_is_no_tower(value):
    assert Origin.from_json(value) is None


def test_the_tower_of_all_files_that_have_one(tmp_path):
    elsewhere = FIRST._replace(tower="/mnt/first")  # the same weights
    files = [write_note(tmp_path / f"{name}.zip", origin) for name, origin in (("a", None), ("b", FIRST), ("c", elsewhere))]
    assert origin_of(files) == FIRST
    assert Origin.from_json(FIRST.to_json()) == FIRST


def test_two_towers_are_named_with_their_files(tmp_path):
    files = [write_note(tmp_path / f"{name}.zip", origin) for name, origin in (("a", FIRST), ("b", None), ("c", SECOND))]
    with pytest.raises(UserError, match=r"two towers: .*a.zip has those of /models/first, .*c.zip those of /models/second; make"):
        origin_of(files)


def test_only_known_towers_can_differ():
    for one, other in ((None, None), (FIRST, None), (None, FIRST), (FIRST, FIRST)):
        require_same_tower("a", one, "b", other)
    with pytest.raises(UserError, match="a has those of /models/first, b those of /models/second; do this"):
        require_same_tower("a", FIRST, "b", SECOND, "do this")
