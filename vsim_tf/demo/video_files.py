"""Pictures of a demo video as the contest's zip, and as a video file; the same pictures give the same bytes."""

import io
import zipfile
from pathlib import Path

import numpy as np

from vsim_tf.io.zips import ZIP_EPOCH

_JPEG_QUALITY = 80
_FRAMES_PER_SECOND = 8
_REPRODUCIBLE = {"threads": "1", "x264-params": "cpu-independent=1", "crf": "18"}


def write_frame_zip(root: Path, video_id: str, frames: np.ndarray) -> None:
    """Writes `<root>/<last 3 characters of id>/<id>.zip` with 000.jpg, 001.jpg, ...; frames are `[frames, h, w, 3]` uint8."""
    path = root / video_id[-3:] / f"{video_id}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, frame in enumerate(frames):
            archive.writestr(zipfile.ZipInfo(f"{number:03}.jpg", ZIP_EPOCH), _jpeg(frame))


def _jpeg(frame: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def write_video_file(path: Path, frames: np.ndarray) -> None:
    """Writes an H.264 file of frames `[frames, h, w, 3]` uint8; of an odd height or width the last line is left out."""
    import av

    even = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=_FRAMES_PER_SECOND, options=_REPRODUCIBLE)
        stream.height, stream.width, stream.pix_fmt = *even.shape[1:3], "yuv420p"
        for pixels in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode(None))
