"""What the tests of data folders share: small videos, and the problems of a report."""

from pathlib import Path

import numpy as np
import toys

from vsim_tf.checks.report import Report
from vsim_tf.records.videos import video_record

SHARED = Path(__file__).parents[2].parent / "shared"
FRAMES = np.arange(3 * toys.DIM).reshape(3, toys.DIM)


def said(report: Report) -> list[str]:
    """Problems without the folder's name."""
    return [problem.message.replace(f"{report.folder}/", "") for problem in report.problems]


def assert_said(report: Report, beginnings: list[str]) -> None:
    """Asserts that the problems begin so, one after the other."""
    found = said(report)
    assert len(found) == len(beginnings), found
    assert [message[: len(start)] for message, start in zip(found, beginnings, strict=True)] == beginnings


def videos(*ids: str, **more) -> list[bytes]:
    """Records of different frames."""
    return [video_record(video, "天地", FRAMES + number, tags=[3], **more) for number, video in enumerate(ids)]
