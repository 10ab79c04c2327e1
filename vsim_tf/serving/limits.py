"""Limits of what clients may ask for."""

import dataclasses
import math

from vsim_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Limits:
    """The sizes that a request may have, and how long it may take.

    Attributes:
        max_videos: of a list.
        max_frames: of a video, features or pictures.
        max_text: characters of a title, of OCR and of speech.
        max_body_mb: MiB of a request's body.
        max_queue: requests that are being read, wait, or are computed.
        timeout: seconds until a request is answered, from its first byte on.

    Raises:
        UserError: a limit that lets nothing through.
    """

    max_videos: int = 64
    max_frames: int = 512
    max_text: int = 10_000
    max_body_mb: int = 32
    max_queue: int = 256
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise UserError(f"{field.name}={value}: a number above 0 is needed", [field.name])

    @property
    def max_body(self) -> int:
        """Bytes of a request's body."""
        return self.max_body_mb << 20
