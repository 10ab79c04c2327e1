"""Test sets as the folders of their records; the predictions themselves: test_e2e_rank8.py."""

import pytest
from script_flags import refused

from vsim_tf.inference.predict_files import video_sets
from vsim_tf.inference.products import VideoSet


@pytest.fixture
def records(tmp_path):
    for name in (
        "test_b/pictures-1.tfrecords",
        "test_a/pictures.tfrecords",
        "test_b/pictures-0.tfrecords",
        "x/test_a/pictures.tfrecords",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"record")
    return tmp_path


def test_a_set_has_all_files_of_its_folder(records, monkeypatch):
    expected = [("test_a", ["pictures.tfrecords"]), ("test_b", ["pictures-0.tfrecords", "pictures-1.tfrecords"])]
    sets = video_sets(f"{records}/test_*/pictures*.tfrecords")
    assert sets == [VideoSet(name, [f"{records}/{name}/{file}" for file in files]) for name, files in expected]
    monkeypatch.chdir(records / "test_a")
    assert video_sets("pictures.tfrecords") == [VideoSet("test_a", ["pictures.tfrecords"])]


def test_two_folders_of_one_name(records):
    with refused(r"would be test_a.npz; rename one of them, or choose files with --test_file"):
        video_sets(f"{records}/test_a/*.tfrecords,{records}/x/test_a/*.tfrecords")
