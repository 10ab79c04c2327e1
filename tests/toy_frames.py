"""Frame zips and towers for tests."""

import zipfile
from pathlib import Path

import numpy as np

from vsim_tf.features.frame_zips import frame_zip
from vsim_tf.features.pictures import PictureSizes, encode_jpeg
from vsim_tf.features.sources import FrameZips, Preparation

SIZES = PictureSizes(9, 8)


class ToyTower:
    """Mean colour of each picture, and how many pictures shared its call: what must not depend on a stop."""

    picture_size, dim = SIZES.crop, 4

    def __init__(self):
        self.calls: list[int] = []

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        assert pictures.shape[1:] == (self.picture_size, self.picture_size, 3) and pictures.dtype == np.uint8
        self.calls.append(len(pictures))
        colours = pictures.mean(axis=(1, 2), dtype=np.float64)
        return np.concatenate([colours, np.full((len(pictures), 1), len(pictures))], axis=1).astype(np.float32)


def colour(video: int, frame: int) -> tuple[int, int, int]:
    return 40 + video, 60 + frame, 100


def write_frames(root: Path, video: int, frames: int, prefix: str = "v") -> Path:
    """The zip of a video, whose frame j has the even colour `colour(video, j)`; its id is v100 and so on."""
    path = frame_zip(root, f"{prefix}{100 + video}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for j in range(frames):
            archive.writestr(f"{j:03d}.jpg", encode_jpeg(np.full((9, 11, 3), colour(video, j), np.uint8)))
    return path


def frame_source(root: Path, **options) -> FrameZips:
    return FrameZips(str(root), Preparation(SIZES, **options))
