"""Frames of video files, decoded by FFmpeg (PyAV) no further than the wanted ones need."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.features.packet_index import KeyFrame, PacketIndex, read_packet_index
from vsim_tf.features.sampling import Sampling
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".ogv")
_OPTIONS = {
    "format_whitelist": "mov,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg",
    "protocol_whitelist": "file",
}
"""Playlists, which name other files and addresses, are no videos here."""

Prepare = Callable[[np.ndarray], np.ndarray]


class Clip(NamedTuple):
    """Frames of a video.

    Attributes:
        pictures: as `prepare` returned them.
        seconds: when each is shown, counted from the first frame of the video.
        total: how many frames the video has.
    """

    pictures: list[np.ndarray]
    seconds: list[float]
    total: int


def read_video(path: PathLike, sampling: Sampling | None = None, prepare: Prepare = lambda picture: picture) -> Clip:
    """Reads frames of a video file, upright and in the order in which they are shown.

    Where packets say when frames are shown, decoding begins at the key frame before each wanted frame, and frames that no other
    one needs are passed over. The result is that of decoding everything.

    Args:
        path: the file.
        sampling: which frames; all by default.
        prepare: called with each picture, `[height, width, 3]` uint8, as soon as it is decoded.

    Raises:
        UserError: no such file, no video, no video stream, or a damaged video; the message says how many frames were decoded.
    """
    import av

    sampling = sampling or Sampling()
    try:
        with _opened(path) as container:
            index = read_packet_index(container, _video_stream(container, path))
        if index.damage:
            raise _damaged(path, index.damage)
        if index.usable:
            return _read_by_index(path, index, sampling, prepare)
        return _read_by_decoding(path, sampling, prepare)
    except av.FFmpegError as error:
        if not os.path.exists(path):
            raise UserError(f"{path}: does not exist") from None
        raise _damaged(path, _reason(error)) from error


def _opened(path: PathLike) -> "InputContainer":
    import av

    return av.open(os.fspath(path), options=_OPTIONS, metadata_errors="replace")


def _video_stream(container: "InputContainer", path: PathLike) -> "VideoStream":
    """The first stream of moving pictures; a cover is a stream of one picture."""
    from av.stream import Disposition

    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise UserError(f"{path}: no video stream; its streams: {kinds}")
    if not streams[0].codec_context:
        raise UserError(f"{path}: its video stream cannot be decoded: FFmpeg lacks the codec, or the header is damaged")
    streams[0].codec_context.thread_count = 1  # videos are read next to each other, and which frames are skipped must not wait
    return streams[0]


# --- by the index of packets ------------------------------------------------------------------------------------------


def _read_by_index(path: PathLike, index: PacketIndex, sampling: Sampling, prepare: Prepare) -> Clip:
    wanted = [index.shown[number] for number in sampling.choose(index.shown, index.tick)]
    found: dict[int, np.ndarray] = {}
    upright, whole = _Upright(), True
    with _opened(path) as container:
        stream = _video_stream(container, path)
        for key, shown in index.by_key_frame(wanted).items():
            for frame in _decoded(_packets_from(container, stream, key), stream, shown):
                whole = whole and not (frame.is_corrupt and (frame.pts is None or frame.pts >= key.shown))
                if frame.pts in shown:
                    found[frame.pts] = prepare(upright(frame))
    if len(found) < len(wanted) or not whole:  # seeking went elsewhere, packets and frames do not agree, or there is damage
        return _read_by_decoding(path, sampling, prepare)
    seconds = [float((shown - index.shown[0]) * index.tick) for shown in wanted]
    return Clip([found[shown] for shown in wanted], seconds, len(index.shown))


def _packets_from(container: "InputContainer", stream: "VideoStream", key: KeyFrame) -> Iterator["Packet[VideoStream]"]:
    """Packets from a key frame on, or from an earlier one where the file finds no better.

    Files are searched by times of showing or of decoding, by their format: the later one is tried first.
    """
    for target in (key.shown, key.decoded):
        container.seek(target, stream=stream)
        packets = container.demux(stream)
        first = next(packets)
        if first.dts is not None and first.dts <= key.decoded:
            break
    yield from (packet for packet in itertools.chain([first], packets) if packet.size)


def _decoded(packets: Iterable["Packet[VideoStream]"], stream: "VideoStream", shown: set[int]) -> Iterator["VideoFrame"]:
    """Frames of packets, until all wanted ones have been decoded; others that no frame needs are passed over."""
    context, missing = stream.codec_context, set(shown)
    for packet in packets:
        context.skip_frame = "DEFAULT" if packet.pts in shown else "NONREF"
        yield from context.decode(packet)
        if packet.pts is not None:
            missing.discard(packet.pts)
        if not missing:
            break
    context.skip_frame = "DEFAULT"
    yield from context.decode(None)


# --- by decoding everything -------------------------------------------------------------------------------------------


def _read_by_decoding(path: PathLike, sampling: Sampling, prepare: Prepare) -> Clip:
    """Decodes twice: to know how many frames there are and when they are shown, and to take the wanted ones."""
    times = _times_by_decoding(path)
    if not times:
        raise UserError(f"{path}: damaged, or without frames: none can be decoded")
    wanted = sampling.choose(times)
    numbers = set(wanted)
    pictures, upright = [], _Upright()
    for number, frame in enumerate(_all_frames(path)):
        if frame.is_corrupt:
            time = float(times[number] - times[0])
            raise UserError(f"{path}: damaged after {number} decoded frames: data of the next one, at {time:.2f} s, is corrupt")
        if number in numbers:
            pictures.append(prepare(upright(frame)))
        if len(pictures) == len(wanted):
            break
    return Clip(pictures, [float(times[number] - times[0]) for number in wanted], len(times))


def _all_frames(path: PathLike) -> Iterator["VideoFrame"]:
    with _opened(path) as container:
        yield from container.decode(_video_stream(container, path))


def _times_by_decoding(path: PathLike) -> list[Fraction]:
    """Times of all frames in seconds; where the file does not say them or says them wrong, by the average rate."""
    frames = [(frame.pts, frame.time_base) for frame in _all_frames(path)]
    times = [pts * tick for pts, tick in frames if pts is not None and tick is not None]
    if len(times) == len(frames) and all(before < after for before, after in itertools.pairwise(times)):
        return times
    with _opened(path) as container:
        rate = _video_stream(container, path).average_rate or Fraction(25)
    return [number / rate for number in range(len(frames))]


# --- pictures and damage ----------------------------------------------------------------------------------------------


class _Upright:
    """Frames as RGB pixels, turned as the display matrix of the file says, to a multiple of 90 degrees.

    One converter for all: `VideoFrame.to_ndarray` makes one for every frame, which takes longer than the conversion.
    """

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._converter = VideoReformatter()

    def __call__(self, frame: "VideoFrame") -> np.ndarray:
        pixels = self._converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return np.rot90(pixels, round(frame.rotation / 90))


def _damaged(path: PathLike, reason: str) -> UserError:
    """The error for a damaged video, after decoding as many of its frames as there are."""
    import av

    frames, said = 0, 0
    try:
        with _opened(path) as container:
            said = _video_stream(container, path).frames
        for _ in _all_frames(path):
            frames += 1
    except av.FFmpegError as error:
        if not frames and not said:
            return UserError(f"{path}: not a readable video: {_reason(error)}")
    header = f"; its header says {said}" if said else ""
    return UserError(f"{path}: damaged after {frames} decoded frames{header}: {reason}")


def _reason(error: Exception) -> str:
    """FFmpeg's words without the file, which the message names already."""
    return getattr(error, "strerror", None) or str(error)
