"""Which kind of data a folder holds."""

import pytest
import toys
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


@pytest.mark.parametrize(("least", "short"), [(3, False), (4, True)])
def test_a_part_that_is_too_small_to_be_trained_on(tmp_path, least, short):
    """Three videos and three pairs."""
    (tmp_path / "pairwise").mkdir()
    toys.write_records(tmp_path / "pairwise/a.tfrecords", toys.random_videos(3))
    (tmp_path / "pairwise/label.tsv").write_text("v0\tv1\t1\nv1\tv2\t0\nv0\tv2\t0.5\n")
    report = check_folder(tmp_path, least={"pairwise": least, "pairwise/label.tsv": least, "pointwise": least})
    expected = [f"pairwise: 3 records; training needs {least} or more, which fill a batch",
                f"pairwise/label.tsv: 3 pairs; training needs {least} or more, which fill a batch"]  # fmt: skip
    assert said(report) == (expected if short else [])


@pytest.mark.parametrize(("name", "kind"), [("contest", "pairs"), ("shortvideo", "annotations")])
def test_shared_data_are_sound(name, kind):
    if not (SHARED / name).exists():
        pytest.skip(f"no {name} here")
    report = check_folder(SHARED / name, records_per_file=100)
    assert (report.kind, said(report)) == (kind, [])
