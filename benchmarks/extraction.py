"""Reading 16 frames of each of 200 clips, compared with decoding every frame, in processor time; no tower takes part."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from benchmarks.table import in_turn, median, row
from vsim_tf.features.sampling import Sampling, spread
from vsim_tf.features.videos import read_video

CLIPS, FRAMES, ROUNDS = 200, 16, 2
HEIGHT, WIDTH, FPS, SECONDS = 240, 320, 25, 10
KEY_FRAMES = {"where x264 puts them": {}, "every 2 s": {"g": "50"}, "every second": {"g": "25"}}


def moving_pictures(rng: np.random.Generator) -> np.ndarray:
    """A window that moves over a rough ground, `[frames, height, width, 3]` uint8."""
    count = FPS * SECONDS
    coarse = rng.integers(0, 256, ((HEIGHT + count) // 8 + 2, (WIDTH + count) // 8 + 2, 3), np.uint8)
    ground = coarse.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([ground[t : t + HEIGHT, t : t + WIDTH] for t in range(count)])


def write_clip(path: Path, seed: int, options: dict[str, str]):
    """A clip of H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "threads": "1", **options})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for pixels in moving_pictures(np.random.default_rng(seed)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def every_frame(path: Path) -> list[np.ndarray]:
    """The naive way: all frames as pictures, then 16 of them."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [pictures[number] for number in spread(len(pictures), FRAMES)]


def wanted_frames(path: Path) -> list[np.ndarray]:
    return read_video(path, Sampling(count=FRAMES)).pictures


def processor_seconds(read: Callable, paths: list[Path]) -> float:
    """Of all threads: FFmpeg decodes a clip in several if nobody says otherwise, an extraction several clips in one each."""
    start = time.process_time()
    for path in paths:
        read(path)
    return time.process_time() - start


def compare(key_frames: str, clips: int):
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{number}.mp4" for number in range(clips)]
        for number, path in enumerate(paths):
            write_clip(path, number, KEY_FRAMES[key_frames])
        np.testing.assert_array_equal(wanted_frames(paths[0]), every_frame(paths[0]))
        found = in_turn(
            ROUNDS,
            wanted=lambda: processor_seconds(wanted_frames, paths),
            every=lambda: processor_seconds(every_frame, paths),
        )
    row(
        f"reading {FRAMES} frames of {SECONDS} s of video, key frames {key_frames}",
        f"{clips / median(found['wanted']):.0f} clips a processor second",
        f"every frame {clips / median(found['every']):.0f}",
        median(found["every"] / found["wanted"]),
    )


def main():
    compare("where x264 puts them", CLIPS)
    compare("every 2 s", CLIPS // 10)
    compare("every second", CLIPS // 10)


if __name__ == "__main__":
    main()
