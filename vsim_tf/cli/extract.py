"""Frames of videos or pictures into features, by a CLIP tower, or into records of pictures; features that are there into records:

vsim-tf extract --table=videos.csv --features=features --output=data/pairwise/pairwise.tfrecords
vsim-tf extract --videos=clips --clip_dir=clip-vit-base-patch32 --output=clips.tfrecords
vsim-tf extract --annotations=test_a.json --frames=frames/test_a --kind=pictures --output=test_a.tfrecords
"""

import contextlib
import functools
import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing

if TYPE_CHECKING:
    from vsim_tf.features.extraction import Job
    from vsim_tf.features.kinds import Described
    from vsim_tf.features.pictures import PictureSizes
    from vsim_tf.features.sampling import Sampling
    from vsim_tf.features.sources import Preparation, Source
    from vsim_tf.features.tower import Tower
    from vsim_tf.records.video_tables import TableVideo

FLAGS = flags.FLAGS
KINDS = {"features": ".tfrecords", "pictures": ".tfrecords", "zip": ".zip"}
"""Kinds of output with the endings of their files (`vsim_tf.features.kinds`)."""
SOURCES = ("frames", "videos", "features")
MAX_FRAMES, BATCH_SIZE = 32, 64
FLOAT32 = "float32"


def define_flags() -> None:
    """Flags of extract_features.py."""
    flags.DEFINE_string(
        "annotations", None, "JSON list of videos: id, title, asr, ocr; default: the ids that are found, without texts."
    )
    flags.DEFINE_string(
        "table", None,
        "CSV or parquet file of videos: columns id, title, and, where they are known, tags, asr, ocr, category_id; instead of"
        " --annotations. Without --frames, --videos and --features it has a column of paths: features (.npy) or, for a tower or"
        " --kind=pictures, video.",
    )  # fmt: skip
    flags.DEFINE_string(
        "tag_list", None,
        "File that gets the tags of --table which it lacks, the most frequent first, up to 10,000 in all; it is made where there"
        " is none. Pre-training reads <data_dir>/tag_list.txt.",
    )  # fmt: skip
    flags.DEFINE_boolean("labelled", False, "The videos of --annotations have a category_id, which goes into the records.")
    flags.DEFINE_string("frames", None, "Folder of zips of pictures: <frames>/<last 3 characters of the id>/<id>.zip.")
    flags.DEFINE_string("videos", None, "Video files <id>.mp4 and others: a folder, a file, or a pattern.")
    flags.DEFINE_string(
        "features", None, "Features that are there already, <id>.npy each: a zip or a folder; no tower is needed."
    )
    flags.DEFINE_string("clip_dir", None, "Hugging Face folder of a CLIP model, whose vision tower makes the features.")
    flags.DEFINE_string("tower", None, "Run folder of a model with a vision tower, or a checkpoint in it; not with --clip_dir.")
    flags.DEFINE_string("output", None, "File to write, NAME.tfrecords, or NAME.zip with --kind=zip.")
    flags.DEFINE_enum(
        "kind", "features", list(KINDS),
        "features: records of texts and features. pictures: records of texts and pictures, to train a tower on, without a tower."
        " zip: features alone, <id>.npy each.",
    )  # fmt: skip
    flags.DEFINE_string(
        "shard", "0/1", "i/n: the part i, from 0 on, of n; each is a file of its own, NAME-00000-of-00004.tfrecords."
    )
    flags.DEFINE_integer(
        "max_frames", None,
        f"Frames of a video at most, the first ones; default: {MAX_FRAMES}, of features with --table all.", lower_bound=1,
    )  # fmt: skip
    flags.DEFINE_float(
        "fps", None, "Frames of a --videos file per second; default: --max_frames spread over each.", lower_bound=0
    )
    flags.DEFINE_integer("count", None, "Frames spread over each --videos file.", lower_bound=1)
    flags.DEFINE_integer(
        "resize", None, "Shorter side of a picture before the crop; default: 8/7 of the crop, 256 of 224.", lower_bound=1
    )
    flags.DEFINE_integer("crop", None, "Side of the square that the tower reads; default: that of the tower.", lower_bound=1)
    flags.DEFINE_enum(
        "precision", FLOAT32, [FLOAT32, "mixed_bfloat16"],
        "Arithmetic of the tower. Features of both differ by rounding, so that it is the same on all machines and of all shards.",
    )  # fmt: skip
    flags.DEFINE_integer("batch_size", BATCH_SIZE, "Pictures at a time, of one or more videos.", lower_bound=1)
    flags.DEFINE_integer("frame_embedding_size", None, "Feature dimension that --features must have.", lower_bound=1)
    flags.DEFINE_boolean(
        "ocr", False, "Read the text of the frames (pip install rapidocr onnxruntime) where --annotations has none."
    )
    flags.DEFINE_boolean("skip_damaged", False, "Leave videos out that are damaged or missing; they are listed.")
    flags.DEFINE_boolean("overwrite", False, "Replace an output that is there.")


def check_flags(devices: int = 1) -> None:
    """`UserError` for flags that are illegal or contradict each other."""
    del devices  # one of them runs the tower
    sources = [f"--{name}" for name in SOURCES if FLAGS[name].value]
    if len(sources) > 1 or not (sources or FLAGS.table):
        raise UserError(f"one of --frames, --videos and --features is needed; given: {', '.join(sources) or 'none'}")
    if FLAGS.table and FLAGS.annotations:
        raise UserError("--table and --annotations: one of both has the texts")
    if not FLAGS.output or not FLAGS.output.endswith(KINDS[FLAGS.kind]):
        raise UserError(f"--output={FLAGS.output or ''}: a file NAME{KINDS[FLAGS.kind]} is needed with --kind={FLAGS.kind}")
    _check_tower()
    if FLAGS.tag_list and not FLAGS.table:
        raise UserError(f"--tag_list={FLAGS.tag_list}: --table is needed, which has the tags")
    if FLAGS.labelled and not FLAGS.annotations:
        raise UserError("--labelled: --annotations is needed, which has the classes")
    for name in ("fps", "count"):
        if FLAGS[name].value is not None and _reads() != "videos":
            raise UserError(f"--{name}={FLAGS[name].value}: only files of --videos are sampled; all frames of a zip are used")
    if FLAGS.ocr and (_reads() == "features" or FLAGS.kind == "zip"):
        raise UserError("--ocr: text is read off pictures into records; leave it out with --features and --kind=zip")
    if FLAGS.frame_embedding_size and _reads() != "features":
        raise UserError(f"--frame_embedding_size={FLAGS.frame_embedding_size}: that of --features; a tower has its own")
    if FLAGS.count and FLAGS.count > (_max_frames() or FLAGS.count):
        raise UserError(f"--count={FLAGS.count}: more than --max_frames={_max_frames()}")
    _shard()
    _sampling()


def _reads() -> str:
    """What frames are read of, "frames", "videos" or "features": without a flag, a column of the table that a tower decides."""
    given = next((name for name in SOURCES if FLAGS[name].value), "")
    return given or ("videos" if FLAGS.clip_dir or FLAGS.tower or FLAGS.kind == "pictures" else "features")


def _max_frames() -> int | None:
    """Most frames of a video; None: all."""
    return FLAGS.max_frames or (None if FLAGS.table and _reads() == "features" else MAX_FRAMES)


def _check_tower() -> None:
    towers = [f"--{name}" for name in ("clip_dir", "tower") if FLAGS[name].value]
    if _reads() == "features" or FLAGS.kind == "pictures":
        if FLAGS["precision"].present:
            towers.append("--precision")
        if towers:
            raise UserError(f"{' and '.join(towers)}: no tower takes part with --features or --kind=pictures; leave it out")
        if FLAGS.features and FLAGS.kind == "pictures":
            raise UserError("--kind=pictures: --features has no pictures; --frames or --videos is needed")
    elif len(towers) != 1:
        raise UserError(f"one of --clip_dir and --tower is needed to make features; given: {', '.join(towers) or 'none'}")


def _shard() -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", FLAGS.shard, re.ASCII)
    if not match or not int(match[1]) < int(match[2]):
        raise UserError(f"--shard={FLAGS.shard}: i/n is needed, with i from 0 to n - 1, e.g. 0/4")
    return int(match[1]), int(match[2])


def _sampling() -> "Sampling":
    from vsim_tf.features.sampling import Sampling

    if FLAGS.fps is None:
        return Sampling(count=FLAGS.count or _max_frames())
    return Sampling(fps=FLAGS.fps, count=FLAGS.count, first=_max_frames())


def check_inputs() -> None:
    """`UserError` for inputs that are missing."""
    require_existing(FLAGS.annotations, FLAGS.table, FLAGS.frames, FLAGS.features, FLAGS.clip_dir)
    if FLAGS.videos:
        from vsim_tf.features.sources import find_videos

        find_videos(FLAGS.videos)


def _check_trained_tower() -> None:
    """`UserError` for a checkpoint that is missing: a stage before this one makes it."""
    if FLAGS.tower and not os.path.exists(FLAGS.tower):
        from vsim_tf.runs.checkpoint_files import require_checkpoint

        require_checkpoint(FLAGS.tower)


def finished() -> bool:
    """Whether the output is there, after saying so."""
    from vsim_tf.features.extraction import complete, job_settings
    from vsim_tf.features.sources import Preparation

    _check_trained_tower()
    job = _job()
    if FLAGS.overwrite or not job.file.exists():
        return False
    with _source(Preparation()) as source:
        return complete(job, job_settings(job, _described(source), _settings())) is not None


def main() -> None:
    """Extract as the flags say."""
    check_flags()
    check_inputs()
    if not finished():
        _extract()
    if FLAGS.tag_list:
        from vsim_tf.features.table_records import add_tags

        add_tags(FLAGS.tag_list, _table(), FLAGS.table)


def _extract() -> None:
    from vsim_tf.features.extraction import check_ids, extract
    from vsim_tf.features.ocr import FrameOcr
    from vsim_tf.features.sources import Preparation

    with _source(Preparation()) as source:  # what can be wrong with ids is said before a tower is loaded
        videos = _described(source)
        if texts := FLAGS.annotations or FLAGS.table:
            check_ids(videos, source, texts, FLAGS.skip_damaged)
    ocr = FrameOcr() if FLAGS.ocr else None
    tower = _tower()
    with _source(Preparation(_sizes(tower), FLAGS.kind == "pictures", ocr)) as source:
        extract(videos, source, tower, _job(), _settings())


def _job() -> "Job":
    from vsim_tf.features.extraction import Job

    shard, shards = _shard()
    return Job(
        FLAGS.output,
        FLAGS.kind,
        shard,
        shards,
        batch_size=FLAGS.batch_size,
        skip_damaged=FLAGS.skip_damaged,
        overwrite=FLAGS.overwrite,
    )


def _tower() -> "Tower | None":
    path = FLAGS.clip_dir or FLAGS.tower
    if not path:
        return None
    from vsim_tf.inference.tower import load_tower

    return load_tower(path, FLAGS.precision)


def _sizes(tower: "Tower | None") -> "PictureSizes":
    from vsim_tf.features.pictures import CROP, RESIZE, PictureSizes

    read = tower.picture_size if tower else FLAGS.crop or CROP
    crop = FLAGS.crop or read
    if crop != read:
        raise UserError(f"--crop={crop}: the tower reads pictures of {read} x {read}; leave it out")
    sizes = PictureSizes(FLAGS.resize or round(crop * RESIZE / CROP), crop)
    sizes.check()
    return sizes


@contextlib.contextmanager
def _source(preparation: "Preparation") -> "Iterator[Source]":
    from vsim_tf.features.feature_zips import FeatureZip
    from vsim_tf.features.sources import Features, FrameZips, VideoFiles, find_videos
    from vsim_tf.features.table_records import feature_files, files_of_column
    from vsim_tf.records.video_tables import VIDEO

    if FLAGS.features and not os.path.isdir(FLAGS.features):
        with FeatureZip(FLAGS.features, FLAGS.frame_embedding_size) as archive:
            yield Features(FLAGS.features, archive, _max_frames())
    elif _reads() == "features":
        yield feature_files(_table(), FLAGS.features or FLAGS.table, FLAGS.frame_embedding_size, _max_frames())
    elif FLAGS.frames:
        yield FrameZips(FLAGS.frames, preparation, _max_frames() or MAX_FRAMES)
    elif FLAGS.videos:
        yield VideoFiles(FLAGS.videos, find_videos(FLAGS.videos), preparation, _sampling())
    else:
        yield VideoFiles(FLAGS.table, files_of_column(_table(), VIDEO, FLAGS.table), preparation, _sampling())


def _described(source: "Source") -> "Sequence[Described]":
    """The videos of annotations or a table, or those that the source has."""
    from vsim_tf.features.kinds import Video

    if FLAGS.table:
        return _table()
    if not FLAGS.annotations:
        if not (ids := source.ids()):
            raise UserError(f"{source.name}: no videos; <frames>/<last 3 characters of the id>/<id>.zip is needed")
        return [Video(video) for video in ids]
    from vsim_tf.records.annotations import read_annotations

    return read_annotations(FLAGS.annotations, FLAGS.labelled)


def _table() -> "list[TableVideo]":
    """The videos of --table, none without one."""
    return _read_table(FLAGS.table, os.stat(FLAGS.table).st_mtime_ns) if FLAGS.table else []


@functools.lru_cache(maxsize=1)
def _read_table(file: str, changed: int) -> "list[TableVideo]":
    del changed  # which tells one content from another
    from vsim_tf.records.video_tables import read_video_table

    return read_video_table(file)


def _settings() -> dict[str, Any]:
    """All that an output follows from, next to texts and the job."""
    names = ("fps", "count", "resize", "crop", "ocr", "frame_embedding_size")
    given = FLAGS.frames or FLAGS.videos or FLAGS.features or FLAGS.table
    tower = FLAGS.clip_dir or FLAGS.tower
    return {
        "source": os.path.realpath(given),
        **_named_files(),
        "tower": _origin(),
        "precision": FLAGS.precision if tower else None,
        "max_frames": _max_frames(),
        **{name: FLAGS[name].value for name in names},
    }


def _named_files() -> dict[str, str]:
    """A digest of the paths in a column, where frames are read of them."""
    if any(FLAGS[name].value for name in SOURCES):
        return {}
    from vsim_tf.features.table_records import digest, files_of_column

    return {"files": digest(files_of_column(_table(), "video" if _reads() == "videos" else "features", FLAGS.table))}


def _origin() -> dict[str, str] | None:
    """The tower that makes the features, or made those of --features, where a note says it."""
    if tower := FLAGS.clip_dir or FLAGS.tower:
        from vsim_tf.runs.tower_origin import tower_origin

        return tower_origin(tower).to_json()
    from vsim_tf.records.feature_origin import origin_of

    origin = origin_of([FLAGS.features]) if FLAGS.features else None
    return origin.to_json() if origin else None
