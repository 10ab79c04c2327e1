import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.errors import RecordError
from vsim_tf.records import schema
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import VideoIndex, check_video, pair_record, parse_example, read_ids, video_faults, video_record

DIM = 4


JPEG, PNG, WEBP = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"


def make_video(video_id="7", num_frames=3, **changes):
    frames = np.arange(num_frames * DIM, dtype=np.float32).reshape(num_frames, DIM) + len(video_id)
    return video_record(video_id, **{"title": "标题", "frames": frames, "tags": [5, 3], "category": 10203, **changes})


def altered(change):
    """A valid video whose features `change` has altered."""
    example = tf.train.Example.FromString(make_video())
    change(example.features.feature)
    return example.SerializeToString(deterministic=True)  # names the test


def write(path, videos):
    write_records(path, videos)
    return str(path)


@pytest.mark.parametrize(
    "video",
    [
        make_video(),
        make_video(title=""),
        make_video(num_frames=0),
        make_video(tags=None, category=None),
        make_video(tags=[]),
        make_video(ocr_text=""),
        make_video(ocr_text="字", pictures=[b"is not looked at"]),
        altered(lambda f: f[schema.FRAME_FEATURE].Clear()),
        altered(lambda f: f.pop(schema.ASR_TEXT)),
    ],
    ids=lambda _: "",
)
def test_legal_videos(video):
    assert check_video(video, DIM, "here") == "7"


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (b"\xff\xff", "here: not a tf.train.Example"),
        (altered(lambda f: f.pop(schema.ID)), "here: the key 'id' is missing; the record has asr_text"),
        (altered(lambda f: f.pop(schema.TITLE)), "video '7': the key 'title' is missing"),
        (altered(lambda f: f.pop(schema.FRAME_FEATURE)), "video '7': the key 'frame_feature' is missing"),
        (altered(lambda f: f[schema.ID].bytes_list.value.append(b"8")), "'id' has 2 byte strings"),
        (altered(lambda f: f[schema.ID].int64_list.value.append(8)), "'id' has 0 byte strings"),
        (altered(lambda f: f[schema.TITLE].bytes_list.value.pop()), "video '7': 'title' has 0 byte strings"),
        (altered(lambda f: f[schema.ID].bytes_list.value.__setitem__(0, b"\xff")), "is not UTF-8"),
        (altered(lambda f: f[schema.OCR_TEXT].bytes_list.value.extend([b"1", b"2"])), "video '7': 'ocr_text' has 2 byte strings"),
        (altered(lambda f: f[schema.OCR_TEXT].int64_list.value.append(5)), "holds a int64_list; expected a bytes_list"),
        (make_video(frames=None, pictures=[JPEG]), "video '7': the key 'frame_feature' is missing"),
        (altered(lambda f: f[schema.TAG_ID].bytes_list.value.append(b"5")), "holds a bytes_list; expected a int64_list"),
        (altered(lambda f: f[schema.FRAME_FEATURE].bytes_list.value.append(b"1234567")), "frame 3 has 7 bytes; expected 8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_videos(video, message):
    with pytest.raises(RecordError) as caught:
        check_video(video, DIM, "here")
    assert message in str(caught.value)


def test_records_of_pictures():
    assert check_video(make_video(frames=None, pictures=[JPEG, PNG, WEBP]), None, "here") == "7"
    assert check_video(make_video(frames=None, pictures=[]), None, "here") == "7"
    with pytest.raises(RecordError, match="video '7': the key 'frame_picture' is missing"):
        check_video(make_video(), None, "here")
    with pytest.raises(RecordError, match="video '7': frame 1 is no picture; accepted are JPEG, PNG and WebP"):
        check_video(make_video(frames=None, pictures=[JPEG, b"GIF89a"]), None, "here")


def test_the_bytes_of_records_without_the_newer_keys_are_as_before():
    expected = tf.train.Example()
    expected.features.feature["id"].bytes_list.value.append(b"1")
    expected.features.feature["title"].bytes_list.value.append(b"t")
    expected.features.feature["asr_text"].bytes_list.value.append(b"nan")
    expected.features.feature["frame_feature"].bytes_list.value.append(b"\x00\x3c")
    assert video_record("1", "t", np.ones((1, 1))) == expected.SerializeToString(deterministic=True)


def test_pair_holds_every_key_of_both_sides():
    more = {"ocr_text": "字", "pictures": [JPEG]}
    first = make_video("007", **more)
    second = make_video("9223372036854775808", num_frames=2, title="", tags=None, **more)
    pair = tf.train.Example.FromString(pair_record(first, second, 0.35)).features.feature
    assert set(pair) == {key + suffix for key in schema.VIDEO_KEYS for suffix in ("_1", "_2")} - {"tag_id_2"} | {"sim"}
    for suffix, data in (("_1", first), ("_2", second)):
        for key, value in tf.train.Example.FromString(data).features.feature.items():
            assert pair[key + suffix] == value
    assert list(pair["sim"].float_list.value) == [np.float32(0.35)]


def test_index_reads_from_all_files(tmp_path):
    videos = {str(number): make_video(str(number), num_frames=number) for number in range(6)}
    data = list(videos.values())
    files = [write(tmp_path / "a", data[:2]), write(tmp_path / "b", data[2:] + data[:1])]
    with VideoIndex(files, DIM) as index:
        assert len(index) == 6 and index.repeated == 1
        for video_id, data in videos.items():
            assert video_id in index and index.read(video_id) == data and index.size(video_id) == len(data)
        assert "6" not in index


def test_index_refuses_two_videos_of_one_id(tmp_path):
    files = [write(tmp_path / "a", [make_video("1")]), write(tmp_path / "b", [make_video("2"), make_video("1", title="x")])]
    with pytest.raises(RecordError, match=f"{files[1]}, record 1, video '1': differs .* in {files[0]}"):
        VideoIndex(files, DIM)


def test_index_names_the_bad_record(tmp_path):
    file = write(tmp_path / "a", [make_video("1"), make_video("2"), make_video("3")])
    with pytest.raises(RecordError, match=f"{file}, record 0, video '1': frame 0 has 8 bytes; expected 10"):
        VideoIndex([file], DIM + 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (2, 3)])
def test_a_frame_with_a_number_that_is_not_finite(value, place):
    frames = np.full((3, DIM), 65504, np.float16)
    assert check_video(video_record("7", "", frames), DIM, "here") == "7"
    frames[place] = value
    with pytest.raises(RecordError, match=f"here, video '7': frame {place[0]} holds {value} at position {place[1]}; only finite"):
        check_video(video_record("7", "", frames), DIM, "here")


@pytest.mark.parametrize("count", [0, 1, 32, 33, 500])
def test_any_number_of_frames_is_legal_and_each_has_its_length(count):
    assert check_video(make_video(num_frames=count), DIM, "here") == "7"
    for size in (0, 2 * DIM - 1, 2 * DIM + 2):
        video = altered(lambda f, size=size: f[schema.FRAME_FEATURE].bytes_list.value.append(bytes(size)))
        with pytest.raises(RecordError, match=f"frame 3 has {size} bytes; expected 8"):
            check_video(video, DIM, "here")


def test_all_faults_of_a_video():
    def spoil(feature):
        feature.pop(schema.TITLE)
        feature[schema.TAG_ID].bytes_list.value.append(b"3")
        feature[schema.OCR_TEXT].bytes_list.value.extend([b"a", b"b"])
        feature[schema.FRAME_FEATURE].bytes_list.value.extend([b"", b""])

    faults = [str(fault) for fault in video_faults(parse_example(altered(spoil), ""), DIM, "here")]
    assert [fault[:30] for fault in faults] == [
        "here: the key 'title' is missi", "here: 'tag_id' holds a bytes_l", "here: 'ocr_text' has 2 byte st",
        "here: frame 3 has 0 bytes; exp",
    ]  # fmt: skip
    assert not list(video_faults(parse_example(make_video(), ""), DIM, "here"))


def test_ids_of_files(tmp_path):
    ids = ["9223372036854775807", "007", "18446744073709551616", "0"]
    files = [write(tmp_path / "a", map(make_video, ids[:3])), write(tmp_path / "b", [make_video("0")])]
    assert read_ids(files) == ids
    write(tmp_path / "b", [make_video(), b"\xff"])
    with pytest.raises(RecordError, match="b, record 1: not a tf.train.Example"):
        read_ids(files)
    write(tmp_path / "b", [altered(lambda f: f.pop(schema.ID))])
    with pytest.raises(RecordError, match="b, record 0: the key 'id' is missing"):
        read_ids(files)
