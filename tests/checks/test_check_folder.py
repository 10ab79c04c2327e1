"""Which kind of data a folder holds."""

import pytest
from toy_folders import SHARED, said

from vsim_tf.checks.folder import check_folder, kind_of
from vsim_tf.errors import UserError


def test_folders_of_no_kind(tmp_path):
    with pytest.raises(UserError, match="none does not exist"):
        check_folder(tmp_path / "none")
    (tmp_path / "videos").mkdir()
    with pytest.raises(UserError, match=r"holds no data that is known: pairwise/ .*holds 1: videos"):
        check_folder(tmp_path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("tag_list.txt", "pairs"), ("test_c/test_c.tfrecords", "pairs"), ("test_c/label.tsv", "pairs"), ("pairwise/a", "pairs"),
        ("test_c/features.tfrecords", "classes"), ("unlabeled/pictures-00000-of-00002.tfrecords", "classes"),
        ("annotations/labeled.json", "annotations"),
    ],
)  # fmt: skip
def test_kinds_are_told_by_one_file(tmp_path, path, kind):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).touch()
    assert kind_of(tmp_path) == kind


@pytest.mark.parametrize(("name", "kind"), [("contest", "pairs"), ("shortvideo", "annotations")])
def test_shared_data_are_sound(name, kind):
    if not (SHARED / name).exists():
        pytest.skip(f"no {name} here")
    report = check_folder(SHARED / name, records_per_file=100)
    assert (report.kind, said(report)) == (kind, [])
