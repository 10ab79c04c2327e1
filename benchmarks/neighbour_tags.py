"""Training videos with the tags of their neighbours, too: python -m benchmarks.neighbour_tags DATA_DIR OUTPUT_DIR FRAME_SIZE

Neighbours are the three nearest by the cosine of what the linear baseline reads: TF-IDF of the title and mean frame. The folder
has all of DATA_DIR but the test sets.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from vsim_tf.evaluation.linear_baseline import TagRidge
from vsim_tf.evaluation.raw_videos import RawVideos, sample_raw_videos
from vsim_tf.records.example import Example
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.schema import TAG_ID
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import expand_pattern, write_records

NEIGHBOURS = 3


def main(data_dir: str, output_dir: str, frame_embedding_size: str) -> None:
    data, output = Path(data_dir), Path(output_dir)
    files = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
    videos = sample_raw_videos(files, int(frame_embedding_size))
    index = RecordIndex(files)
    examples = [Example.FromString(record) for _, record in index.named(np.arange(len(index)))]
    nearest = neighbours(videos, read_tag_list(data / "tag_list.txt"))
    shutil.copytree(data, output, ignore=shutil.ignore_patterns("pointwise", "test_*"), dirs_exist_ok=True)
    (output / "pointwise").mkdir(exist_ok=True)
    records = with_neighbours_tags(examples, nearest)
    written = write_records(output / "pointwise" / "pointwise.tfrecords", records)
    before, after = (sum(len(tags(example)) for example in each) for each in (examples, map(Example.FromString, records)))
    print(f"{output}: {written:,} videos, {before / written:.2f} tags of a video became {after / written:.2f}")


def neighbours(videos: RawVideos, known_tags: np.ndarray) -> np.ndarray:
    """The rows of the nearest other videos of each, `[videos, NEIGHBOURS]`."""
    titles, frames = TagRidge(videos, known_tags).features(videos)
    features = sparse.hstack([titles, sparse.csr_array(frames)], format="csr")
    return NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(features).kneighbors(return_distance=False)


def with_neighbours_tags(examples: list, nearest: np.ndarray) -> list[bytes]:
    """Records of the examples, each with the tags that its neighbours have and it has not behind its own."""
    records = []
    for example, rows in zip(examples, nearest.tolist(), strict=True):
        changed = Example.FromString(example.SerializeToString())
        of_neighbours = dict.fromkeys(tag for row in rows for tag in tags(examples[row]))
        tags(changed).extend([tag for tag in of_neighbours if tag not in tags(example)])
        records.append(changed.SerializeToString(deterministic=True))
    return records


def tags(example):
    return example.features.feature[TAG_ID].int64_list.value


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(*sys.argv[1:])
