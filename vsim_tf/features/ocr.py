"""Text that stands in the frames of a video, read by RapidOCR, an optional package."""

import importlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from vsim_tf.errors import UserError


class FrameOcr:
    """Reads pictures; several threads may call it.

    Raises:
        UserError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            importlib.import_module("onnxruntime")  # by which RapidOCR runs its models
            from rapidocr import RapidOCR
        except ImportError as error:
            raise UserError(
                f"ocr=True: {error.name} is not installed; `pip install rapidocr onnxruntime` brings it with its models", ["ocr"]
            ) from None
        self._engine: Any = RapidOCR(params={"Global.log_level": "critical"})
        self._lock = threading.Lock()

    def __call__(self, pictures: Sequence[np.ndarray]) -> str:
        """Returns the lines of all pictures, each once and in the order in which they appear, joined with nothing in between.

        Args:
            pictures: `[height, width, 3]` uint8 each, RGB.
        """
        return "".join(dict.fromkeys(line for picture in pictures for line in self._lines(picture)))

    def _lines(self, picture: np.ndarray) -> Sequence[str]:
        with self._lock:
            found = self._engine(np.ascontiguousarray(picture[..., ::-1]))  # arrays are BGR to it
        return found.txts or ()
