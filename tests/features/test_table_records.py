"""Records of tables whose features are there already."""

import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.features.table_records import write_table_records
from vsim_tf.records import schema
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import check_video, parse_example

DIM = 4
ROWS = [
    {"id": "7", "title": "天", "tags": [3, 10], "asr": "说", "ocr": "字", "category_id": 102},
    {"id": "007", "title": "", "tags": ""},
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder `features` with 40 frames of 7 and none of 007."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features").mkdir()
    np.save("features/7.npy", np.arange(40 * DIM, dtype=np.float64).reshape(40, DIM))
    np.save("features/007.npy", np.zeros((0, DIM), np.float32))
    return tmp_path


def records(path) -> list:
    return [parse_example(data, "") for _, data in read_records(path)]


def values(record, key) -> list:
    feature = record[key]
    return list(getattr(feature, feature.WhichOneof("kind")).value)


def test_all_of_a_row_is_in_its_record(here):
    report = write_table_records(ROWS, "out.tfrecords", "features")
    assert (report.videos, report.frames, report.damaged) == (2, 40, [])
    first, second = records("out.tfrecords")
    assert values(first, schema.ID) == [b"7"] and values(first, schema.TITLE) == ["天".encode()]
    assert values(first, schema.TAG_ID) == [3, 10] and values(first, schema.CATEGORY_ID) == [102]
    assert values(first, schema.ASR_TEXT) == ["说".encode()] and values(first, schema.OCR_TEXT) == ["字".encode()]
    frames = [np.frombuffer(frame, "<f2").tolist() for frame in values(first, schema.FRAME_FEATURE)]
    assert frames == [[4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3] for i in range(40)]
    assert schema.TAG_ID in second and schema.CATEGORY_ID not in second
    assert [check_video(data, DIM, "") for _, data in read_records("out.tfrecords")] == ["7", "007"]


def test_tags_of_several_tables_make_one_list(here, caplog):
    """Ids of words follow from the words alone; the most frequent tag of a table comes first."""
    both = [{"id": "7", "title": "", "tags": "猫, 雪山, 5"}, {"id": "007", "title": "", "tags": ["雪山", 5, "雪山"]}]
    with caplog.at_level("INFO", "vsim_tf"):
        write_table_records(both, "train.tfrecords", "features", tag_list="data/tags.txt")
        write_table_records([both[0] | {"tags": "狗, 猫"}], "more.tfrecords", "features", tag_list="data/tags.txt")
        before = (here / "data/tags.txt").stat().st_mtime_ns
        write_table_records(both, "train.tfrecords", "features", tag_list="data/tags.txt")
    assert (here / "data/tags.txt").stat().st_mtime_ns == before
    said = [message for message in caplog.messages if message.startswith("data/tags.txt")]
    assert said == [f"data/tags.txt: {added} tags of the table added, {all_} in all" for added, all_ in ((3, 3), (1, 4), (0, 4))]
    lines = (here / "data/tags.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[-1] for line in lines] == ["雪山", "5", "猫", "狗"]
    of_word = {line.split("\t")[-1]: int(line.split("\t")[0]) for line in lines}
    assert of_word["5"] == 5 and 0 < of_word["猫"] < 2**63
    assert values(records("train.tfrecords")[0], schema.TAG_ID) == [of_word[word] for word in ("猫", "雪山", "5")]
    assert values(records("more.tfrecords")[0], schema.TAG_ID) == [of_word[word] for word in ("狗", "猫")]
    assert set(read_tag_list("data/tags.txt").tolist()) == set(of_word.values())


def test_a_tag_list_of_a_table_without_tags_and_one_that_is_full(here, caplog):
    with pytest.raises(UserError, match="the table: no video has a tag in a column 'tags'; leave tag_list=tags.txt out"):
        write_table_records([ROWS[1]], "out.tfrecords", "features", tag_list="tags.txt")
    assert not (here / "tags.txt").exists()
    (here / "full.txt").write_text("1\tone\n" + "".join(f"{tag}\n" for tag in range(11, 10_010)))
    with caplog.at_level("INFO", "vsim_tf"):
        write_table_records(ROWS, "more.tfrecords", "features", tag_list="full.txt")
    assert "full.txt: 0 tags of the table added, 10,000 in all; 2 rarer tags of the table are left out" in caplog.messages
    assert (here / "full.txt").read_text().startswith("1\tone\n11\n")


def test_a_column_of_paths(here):
    (here / "tables").mkdir()
    (here / "tables/a.csv").write_text("id,title,features\na,one,../features/7.npy\nb,two,../features/7.npy\n")
    assert write_table_records("tables/a.csv", "out.tfrecords").frames == 80
    assert schema.TAG_ID not in records("out.tfrecords")[0]
    with pytest.raises(UserError, match="a.csv: no column 'features' with paths of files; give it, features or videos"):
        (here / "tables/a.csv").write_text("id,title\na,one\n")
        write_table_records("tables/a.csv", "more.tfrecords")
    with pytest.raises(UserError, match="the table: column 'features' is empty in 1 rows, first: row 2, id b"):
        write_table_records([{"id": "a", "title": "", "features": "a.npy"}, {"id": "b", "title": ""}], "more.tfrecords")


def test_the_same_table_again_is_left_as_it_is(here):
    write_table_records(ROWS, "out.tfrecords", "features")
    before = (here / "out.tfrecords").stat().st_mtime_ns
    write_table_records(ROWS, "out.tfrecords", "features")
    assert (here / "out.tfrecords").stat().st_mtime_ns == before
    for change in ({"tags": [3]}, {"title": "地"}):
        with pytest.raises(UserError, match=r"made with other settings \(videos differ\)"):
            write_table_records([ROWS[0] | change, ROWS[1]], "out.tfrecords", "features")
    write_table_records([ROWS[0] | {"tags": [3]}, ROWS[1]], "out.tfrecords", "features", overwrite=True)
    assert values(records("out.tfrecords")[0], schema.TAG_ID) == [3]


def test_every_damaged_file_is_said(here, caplog):
    np.save("features/nan.npy", np.full((1, DIM), np.nan))
    np.save("features/wide.npy", np.ones((1, DIM + 1)))
    np.save("features/flat.npy", np.ones(DIM))
    np.save("features/objects.npy", np.array([None]), allow_pickle=True)
    (here / "features/text.npy").write_text("text")
    np.savez("features/zip.npy", a=np.ones((1, DIM)))
    (here / "features/zip.npy.npz").rename("features/zip.npy")
    names = ["7", "nan", "wide", "flat", "objects", "text", "zip", "none"]
    rows = [{"id": name, "title": "", "features": f"features/{name}.npy"} for name in names]
    with pytest.raises(UserError, match="7 of 8 videos are damaged, first nan .*; nothing is written; skip_damaged=True"):
        write_table_records(rows, "out.tfrecords", frame_embedding_size=DIM)
    (warning,) = caplog.messages
    columns = zip(*(line.split("│")[1:-1] for line in warning.splitlines() if line.startswith("│")), strict=True)
    said = " ".join(" ".join(" ".join(column).split()) for column in columns)
    reasons = ["holds nan", "dimension is 5", "floats [frames, dim]", "Object arrays", "np.save", "zip or npz", "not exist"]
    assert [reason for reason in reasons if reason not in said] == []
    assert "(the table, row 3, column features)" in said
    assert not (here / "out.tfrecords").exists()
    report = write_table_records(rows, "out.tfrecords", frame_embedding_size=DIM, skip_damaged=True)
    assert [damaged.id for damaged in report.damaged] == names[1:]


def test_features_of_other_videos_are_left_out(here):
    assert write_table_records(ROWS[:1], "out.tfrecords", "features").videos == 1
    (here / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no file <id>.npy"):
        write_table_records(ROWS, "more.tfrecords", "empty")
