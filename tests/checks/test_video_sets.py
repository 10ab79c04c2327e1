"""Record files of a set: every fault with its place, and what the sound videos hold."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.checks.report import Findings
from vsim_tf.checks.video_sets import Settings, check_video_set, guess_width, progress
from vsim_tf.features.pictures import encode_jpeg
from vsim_tf.records.videos import video_record

RAMP = np.arange(3 * toys.DIM).reshape(3, toys.DIM)
FEATURES = Settings(toys.DIM, frozenset({3, 10}))


def video(video_id="v", title="天地", frames=RAMP, tags=(3,), **more) -> bytes:
    return video_record(video_id, title, frames, tags=tags, **more)


def altered(change, **more) -> bytes:
    example = tf.train.Example.FromString(video(**more))
    change(example.features.feature)
    return example.SerializeToString()


def check(files, settings=FEATURES, most=0):
    findings = Findings(most)
    with progress(files) as bar:
        return check_video_set("videos", files, settings, findings, bar), findings


def messages(findings: Findings) -> list[str]:
    return [problem.message.rpartition("/")[2] for problem in findings.problems]


def assert_said(findings: Findings, *words: str) -> None:
    """Asserts that the problems have these words, one after the other."""
    assert [part for part, message in zip(words, messages(findings), strict=True) if part not in message] == []


def test_what_sound_videos_hold(tmp_path):
    first = toys.write_records(tmp_path / "a.tfrecords", [video("1"), video("2", "", RAMP[:1], tags=[3, 4])])
    second = toys.write_records(tmp_path / "b.tfrecords", [video("3", "天", RAMP[:0], tags=[10, 11, 10])])
    found, findings = check([first, second])
    assert found.section.figures == {
        "files": 2, "records": 3, "unusable": 0, "feature dimension": toys.DIM, "unknown tag share": 0.4,
    }  # fmt: skip  # of the tags 3; 3, 4; 10, 11 two are unknown
    histograms = {name: histogram.counts for name, histogram in found.section.histograms.items()}
    assert histograms == {
        "frames per video": {3: 1, 1: 1, 0: 1}, "characters per title": {2: 1, 0: 1, 1: 1}, "tags per video": {1: 1, 2: 2},
    }  # fmt: skip
    assert (set(found.ids), found.complete) == ({"1", "2", "3"}, True)
    assert (findings.problems, findings.notes) == ([], [])


def test_every_unusable_record_is_a_problem(tmp_path):
    nan = np.where(RAMP == 7, np.nan, RAMP)
    contents = [
        video("0"),
        b"\xff",
        altered(lambda f: f.pop("id")),
        altered(lambda f: f.pop("title"), video_id="3"),
        video("4", frames=nan),
        video("5", frames=np.ones((2, toys.DIM + 1))),
        altered(lambda f: f.pop("frame_feature"), video_id="6"),
    ]
    file = toys.write_records(tmp_path / "a.tfrecords", contents)
    found, findings = check([file])
    assert [(problem.record, problem.id) for problem in findings.problems] == [
        (1, ""), (2, ""), (3, "3"), (4, "4"), (5, "5"), (6, "6"),
    ]  # fmt: skip
    assert_said(
        findings,
        "not a tf.train.Example", "'id' is missing", "'title' is missing", "frame 1 holds nan at position 1",
        "14 bytes; expected 12", "'frame_feature' is missing",
    )  # fmt: skip
    assert (found.section.figures["records"], found.section.figures["unusable"]) == (7, 6)
    assert found.section.histograms["frames per video"].counts == {3: 1}
    assert set(found.ids) == {"0", "3", "4", "5", "6"}


def test_damage_between_sound_records(tmp_path):
    """A flipped bit of the data of record 1; 12 bytes stand before it, and 16 around each record."""
    file = tmp_path / "a.tfrecords"
    contents = [video(str(number)) for number in range(3)]
    toys.write_records(file, contents)
    data = bytearray(file.read_bytes())
    data[len(contents[0]) + 16 + 12 + 3] ^= 1
    file.write_bytes(data)
    found, findings = check([str(file)])
    assert messages(findings) == ["a.tfrecords, record 1: the data does not match its checksum; the file is damaged"]
    assert set(found.ids) == {"0", "2"}
    file.write_bytes(data[:-3])
    assert [problem.record for problem in check([str(file)])[1].problems] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"id\ttitle\n" * 9, b"\xff\xd8\xff" + bytes(40)])
def test_files_that_hold_no_records(tmp_path, content):
    (tmp_path / "a.tfrecords").write_bytes(content)
    sound = toys.write_records(tmp_path / "b.tfrecords", [video("1")])
    found, findings = check([str(tmp_path / "a.tfrecords"), sound])
    assert len(findings.problems) == 1 and findings.problems[0].file == str(tmp_path / "a.tfrecords")
    assert list(found.ids) == ["1"]


def test_repeated_ids(tmp_path):
    first = toys.write_records(tmp_path / "a.tfrecords", [video("1"), video("2"), video("1")])
    second = toys.write_records(tmp_path / "b.tfrecords", [video("2", "another")])
    _, findings = check([first, second])
    assert messages(findings)[0].startswith("a.tfrecords, record 1; an id may stand for one video only")
    assert "b.tfrecords, record 0, video '2': differs from an earlier record" in findings.problems[0].message
    assert findings.notes == ["videos: 1 records are copies of earlier ones"]
    _, findings = check([first, second], Settings(toys.DIM, one_record_each=True))
    assert [(problem.record, problem.id) for problem in findings.problems] == [(2, "1"), (0, "2")]
    assert findings.notes == []


def test_the_first_records_of_each_file(tmp_path):
    files = [
        toys.write_records(tmp_path / name, [video(f"{name}{number}") for number in range(count)])
        for name, count in (("a", 2), ("b", 3))
    ]
    found, findings = check(files, Settings(toys.DIM, records_per_file=2))
    assert (found.section.figures["records"], found.complete, findings.partial) == (4, False, [files[1]])
    found, findings = check(files, Settings(toys.DIM, records_per_file=3))
    assert (found.section.figures["records"], found.complete, findings.partial) == (5, True, [])


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([video("1", tags=[7]), video("2", tags=[8, 9])], "none has a tag of tag_list.txt, but 3 other tags"),
        ([video("1", ""), video("2", " ")], "none has a title"),
        ([video("1", frames=RAMP * 0), video("2", frames=RAMP * -0.0)], "all 6 frames are zero"),
        ([video("1", frames=RAMP[[1, 1]]), video("2", frames=RAMP[[1]])], "all 3 frames are equal"),
    ],
)
def test_what_no_model_learns_from_is_a_problem_where_it_is_trained_on(tmp_path, contents, message):
    file = toys.write_records(tmp_path / "a.tfrecords", contents)
    _, findings = check([file], Settings(toys.DIM, frozenset({3}), trained_on=True))
    assert message in findings.problems[0].message and findings.problems[0].file == str(tmp_path)
    _, findings = check([file])
    assert (findings.problems, len(findings.notes)) == ([], 1)
    assert message in findings.notes[0]


def test_texts_of_short_videos(tmp_path):
    file = toys.write_records(tmp_path / "a.tfrecords", [video("1", "", ocr_text="字", asr_text="")])
    assert not check([file], Settings(toys.DIM, all_texts=True, trained_on=True))[1].problems
    silent = toys.write_records(tmp_path / "b.tfrecords", [video("1", "", ocr_text=" ", asr_text="nan")])
    assert "none has a title" in check([silent], Settings(toys.DIM, all_texts=True, trained_on=True))[1].problems[0].message


def test_pictures_and_classes(tmp_path):
    jpeg = encode_jpeg(np.zeros((8, 8, 3), np.uint8))
    contents = [
        video("1", frames=None, pictures=[jpeg, jpeg], category=102),
        video("2", frames=None, pictures=[b"text"], category=102),
        video("3", frames=None, pictures=[jpeg], category=12345),
        video("4", frames=None, pictures=[jpeg]),
        video("5", category=7),
    ]
    file = toys.write_records(tmp_path / "a.tfrecords", contents)
    found, findings = check([file], Settings(None, classes=True, all_texts=True))
    assert_said(
        findings,
        "video '2': frame 0 is no picture", "video '3': 'category_id' is 12345; a class of four digits",
        "video '4': no values of", "video '5': the key 'frame_picture' is missing",
    )  # fmt: skip
    assert found.section.categories == {"0102": 2, "0007": 1}
    assert "feature dimension" not in found.section.figures


@pytest.mark.parametrize(
    ("widths", "guessed"),
    [
        ([[6, 6, 4]], 6),
        ([[4], [6, 6]], 6),
        ([[0, 0, 6]], 6),
        ([[0]], None),
        ([[]], None),
        ([[4] * 30, [6] * 20, [4]], 4),  # 20 and 1 to 20, as 20 videos of a file count at most
        ([[4] * 30, [6] * 20, [6]], 6),
    ],
)
def test_the_feature_dimension_is_that_of_most_videos(tmp_path, widths, guessed):
    files = []
    for number, of_file in enumerate(widths):
        contents = [video(frames=np.ones((1, width)) if width else np.ones((0, 6))) for width in of_file]
        files.append(toys.write_records(tmp_path / f"{number}.tfrecords", [b"\xff", *contents]))
    assert guess_width(files) == guessed
