"""Kinds of files that are given as records by mistake, told by their first bytes."""

FEATURES_NEEDED = "the models read features of frames, not videos or pictures"
UNPACK = "unpack it first"
_KINDS = (
    (4, b"ftyp", "an MP4 or MOV video", FEATURES_NEEDED),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video", FEATURES_NEEDED),
    (0, b"RIFF", "an AVI video or a WebP picture", FEATURES_NEEDED),
    (0, b"FLV", "a Flash video", FEATURES_NEEDED),
    (0, b"\x00\x00\x01\xba", "an MPEG video", FEATURES_NEEDED),
    (0, b"\xff\xd8\xff", "a JPEG picture", FEATURES_NEEDED),
    (0, b"\x89PNG", "a PNG picture", FEATURES_NEEDED),
    (0, b"\x1f\x8b", "a gzip file", UNPACK),
    (0, b"PK\x03\x04", "a zip or npz archive", UNPACK),
    (0, b"\x93NUMPY", "a NumPy array", "its rows belong into records"),
    (0, b"\x89HDF", "an HDF5 file", "its rows belong into records"),
)


def looks_like(header: bytes) -> str:
    """A clause for an error message about a file that begins with these bytes; empty for an unknown kind."""
    for start, signature, kind, advice in _KINDS:
        if header[start : start + len(signature)] == signature:
            return f"; it looks like {kind}: {advice}"
    return ""


def is_picture(data: bytes) -> bool:
    """Whether a file begins as JPEG, PNG or WebP, the kinds of pictures that are read."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
