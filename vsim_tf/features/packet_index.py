"""Where the frames of a video file lie, read off its packets without decoding them."""

import os
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


_ROUNDED = Fraction(1, 4)
"""Seconds by which a header may be wrong."""


@dataclass(frozen=True)
class KeyFrame:
    """A frame from which on a decoder can begin: when it is shown, and when it is decoded, which is not later; in ticks."""

    shown: int
    decoded: int


@dataclass(frozen=True)
class PacketIndex:
    """Times of all frames of a video.

    Attributes:
        shown: presentation times, ascending, in ticks.
        tick: seconds.
        key_frames: by presentation time.
        damage: why the packets cannot be all that there were; empty if nothing speaks against it.
        usable: whether packets say when each frame is shown; not in AVI files and of interlaced streams. Otherwise the times are
            not to be used.
    """

    shown: list[int]
    tick: Fraction
    key_frames: list[KeyFrame]
    damage: str = ""
    usable: bool = True

    def by_key_frame(self, wanted: list[int]) -> dict[KeyFrame, set[int]]:
        """Wanted presentation times, ascending, by the last key frame before each.

        Frames before the first key frame are put to it too.
        """
        starts = [key.shown for key in self.key_frames]
        groups: dict[KeyFrame, set[int]] = {}
        for shown in wanted:
            key = self.key_frames[max(bisect_right(starts, shown) - 1, 0)]
            groups.setdefault(key, set()).add(shown)
        return groups


def read_packet_index(container: "InputContainer", stream: "VideoStream") -> PacketIndex:
    """The index of a video that has just been opened.

    Raises:
        av.FFmpegError: a damaged file.
    """
    damage = _beyond_the_end(container, stream)
    ends: dict[Fraction, int] = {}  # by ticks, of all streams: sound may last longer
    shown: list[int] = []
    key_frames: list[KeyFrame] = []
    usable = not ("avi" in container.format.name and stream.codec_context.has_b_frames)  # AVI knows no times, order is all it has
    for packet in container.demux():
        if not packet.size:  # the last one, which says that there are no more
            continue
        if packet.is_corrupt:
            damage = damage or "a packet is not complete"
        if packet.pts is not None:
            ends[packet.time_base] = max(ends.get(packet.time_base, 0), packet.pts + (packet.duration or 0))
        if packet.stream_index != stream.index:
            continue
        if packet.pts is None:
            usable = False
            continue
        if packet.is_keyframe:
            key_frames.append(KeyFrame(packet.pts, packet.pts if packet.dts is None else min(packet.pts, packet.dts)))
        if not packet.is_discard:  # cut away by the edit list, though other frames may need it
            shown.append(packet.pts)
    usable = usable and bool(key_frames) and len(set(shown)) == len(shown) and stream.time_base is not None
    damage = damage or _earlier_than_said(container, max((end * tick for tick, end in ends.items()), default=Fraction(0)))
    key_frames.sort(key=lambda key: key.shown)
    return PacketIndex(sorted(shown), stream.time_base or Fraction(0), key_frames, damage, usable)


def _beyond_the_end(container: "InputContainer", stream: "VideoStream") -> str:
    """Whether the file ends before the last packet that its header lists."""
    size, end = os.path.getsize(container.name), max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    return f"the file has {size} bytes, its header lists frames up to byte {end}" if end > size else ""


def _earlier_than_said(container: "InputContainer", end: Fraction) -> str:
    """Whether a Matroska file, which does not list its packets, ends earlier than its header says."""
    said = Fraction(container.duration or 0, 1_000_000)
    if "matroska" not in container.format.name or end + _ROUNDED >= said:
        return ""
    return f"it ends after {float(end):.2f} s, its header says {float(said):.2f} s"
