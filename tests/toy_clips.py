"""Made video files whose frames tell their numbers: the brightness of frame j is its number times `STEP`."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

STEP = 6


def picture(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frame of a number: even brightness, with a white square at the top left, and noise in the middle that fills bytes."""
    pixels = np.full((height, width, 3), 20 + number * STEP % 200, np.uint8)
    pixels[: height // 3, : width // 3] = 255
    middle = pixels[height // 3 : -height // 3]
    middle += np.random.default_rng(number).integers(0, 30, middle.shape, np.uint8)
    return pixels


def number_of(pixels: np.ndarray) -> int:
    """The number of a frame by its brightness at the bottom right."""
    return round((float(pixels[-4:, -4:].mean()) - 20) / STEP)


def write_clip(
    path: Path, frames: int, fps: int = 8, codec: str = "libx264", gop: int = 12, times=None, rotation: int = 0, options=None,
    size: tuple[int, int] = (48, 64), container_options=None,
) -> Path:  # fmt: skip
    """Writes a clip; `times` are those of its frames in ticks of 1/1000 s."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options={"g": str(gop), **(options or {})})
        stream.height, stream.width = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> list[np.ndarray]:
    """Every frame, by plain decoding."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
