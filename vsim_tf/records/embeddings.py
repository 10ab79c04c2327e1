"""Embeddings on disk: the contest's submission zip, and the npz file of one checkpoint on one test set."""

import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import output_file
from vsim_tf.io.npz import MAX_UNPACKED_BYTES, UNREADABLE, read_npz, unreadable_reason
from vsim_tf.io.zips import member_fault, new_member
from vsim_tf.types import PathLike

MAX_DIMENSIONS = 256
"""The contest accepts embeddings of at most so many dimensions."""

RESULT_JSON = "result.json"
COMPRESS_LEVEL = 3
"""Level 6 saves 4 to 17 % of the file and takes two and a half times as long."""


class Embeddings(NamedTuple):
    """Embeddings of a set of videos.

    Attributes:
        ids: one id per video, unique.
        values: one row per id, `[videos, dim]`.
    """

    ids: list[str]
    values: np.ndarray


def check_embeddings(embeddings: Embeddings, where: PathLike, expected_ids: Iterable[str] | None = None) -> None:
    """Checks what the contest asks of a submission: unique text ids, 1 to 256 numbers each, all within float16's range.

    Args:
        embeddings: `values` is `[videos, dim]`.
        where: the file or member, named in the message.
        expected_ids: the ids of the test set, where known; neither more nor fewer may be there.

    Raises:
        UserError: with the count and the first five ids at fault.
    """
    _check_shape(embeddings, where)
    check_ids(embeddings.ids, where)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = np.isfinite(embeddings.values.astype(np.float16)).all(axis=1)
    if not sound.all():
        faulty = [embeddings.ids[row] for row in np.flatnonzero(~sound)]
        raise UserError(f"{where}: videos with a number that is not finite or beyond float16's 65504: {count_and_first(faulty)}")
    if expected_ids is not None:
        check_same_ids(embeddings.ids, expected_ids, where, "the test set")


def check_same_ids(ids: Iterable[str], expected_ids: Iterable[str], where: PathLike, expected: PathLike) -> None:
    """Raises UserError unless both hold the same ids, in any order; `where` and `expected` name them in the message."""
    ids, expected_ids = dict.fromkeys(ids), dict.fromkeys(expected_ids)
    missing = [video for video in expected_ids if video not in ids]
    extra = [video for video in ids if video not in expected_ids]
    if missing or extra:
        faults = {"missing": missing, "extra": extra}
        listed = "; ".join(f"{fault} {count_and_first(faulty)}" for fault, faulty in faults.items() if faulty)
        raise UserError(f"{where}: ids differ from those of {expected}; {listed}")


def _check_shape(embeddings: Embeddings, where: PathLike) -> None:
    ids, values = embeddings
    if values.ndim != 2 or len(ids) != len(values):
        raise UserError(
            f"{where}: {len(ids)} ids with an array of shape {list(values.shape)}; accepted is one row of numbers per id"
        )
    if not ids:
        raise UserError(f"{where}: holds no video")
    if not 1 <= values.shape[1] <= MAX_DIMENSIONS:
        raise UserError(f"{where}: {values.shape[1]} dimensions; accepted are 1 to {MAX_DIMENSIONS}")


def check_ids(ids: Sequence[str], where: PathLike) -> None:
    """Raises UserError unless ids are text and occur once each; `where` names the file in the message."""
    if wrong := [repr(video) for video in ids if not isinstance(video, str)]:
        raise UserError(f"{where}: ids must be text; are not: {count_and_first(wrong)}")
    if repeated := [video for video, count in Counter(ids).items() if count > 1]:
        raise UserError(f"{where}: ids that occur more than once: {count_and_first(repeated)}")


def write_submission(
    path: PathLike,
    embeddings: Embeddings,
    dtype: DTypeLike = np.float16,
    expected_ids: Iterable[str] | None = None,
) -> None:
    """Writes the contest's zip: one member `result.json`, an object {id: [numbers]}; same input, same bytes.

    The numbers in the file are the shortest decimals that read back as exactly the rounded values. The 2021 solution
    rounded the embeddings of single checkpoints to float16, and left the ensemble in float64.

    Args:
        path: the zip file; it appears complete or not at all.
        embeddings: `values` is `[videos, dim]`, `dim` at most 256.
        dtype: what the values are rounded to, `float16` or `float64`.
        expected_ids: see `check_embeddings`.

    Raises:
        UserError: the embeddings are not acceptable, or the file cannot be written.
        ValueError: another dtype.
    """
    if np.dtype(dtype) not in (np.float16, np.float64):
        raise ValueError(f"dtype {np.dtype(dtype)}; accepted are float16 and float64")
    check_embeddings(embeddings, path, expected_ids)
    member = new_member(RESULT_JSON, zipfile.ZIP_DEFLATED)
    with (
        output_file(path) as file,
        zipfile.ZipFile(file, "w", compresslevel=COMPRESS_LEVEL) as archive,
        archive.open(member, "w", force_zip64=True) as output,
    ):
        for chunk in _json_chunks(embeddings.ids, embeddings.values.astype(dtype)):
            output.write(chunk.encode("ascii"))


def _json_chunks(ids: list[str], values: np.ndarray) -> Iterator[str]:
    numbers = _float16_texts if values.dtype == np.float16 else _float64_texts
    separator = "{"
    for video, row in zip(ids, numbers(values), strict=True):
        yield f"{separator}{json.dumps(video)}: [{', '.join(row)}]"
        separator = ", "
    yield "}"


def _float16_texts(values: np.ndarray) -> Iterator[list[str]]:
    """Yields the texts of each row by table: there are only 65,536 float16 numbers, and 11 million in a submission."""
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float64)
    table = np.array([repr(number) for number in numbers.tolist()], dtype=object)
    for row in values.view(np.uint16):
        yield table[row].tolist()


def _float64_texts(values: np.ndarray) -> Iterator[list[str]]:
    for row in values:
        yield [repr(number) for number in row.tolist()]


def zip_bytes(videos: int, dim: int) -> int:
    """About how large a submission of float64 numbers is at most: they take 9 to 11 bytes each, ids of the contest 20 to 30."""
    return videos * (11 * dim + 30)


def npz_bytes(videos: int, dim: int) -> int:
    """How large a file of `write_embeddings` is: float16 numbers, and 4 bytes per character of ids of up to 20."""
    return videos * (2 * dim + 80)


def read_submission(path: PathLike, max_bytes: int = MAX_UNPACKED_BYTES) -> Embeddings:
    """Reads a submission zip without unpacking it to disk.

    The zip must hold one member, `result.json`, or as the fold zips of 2021 any single .json, also in a folder.

    Args:
        path: the zip file.
        max_bytes: largest accepted size of the unpacked member.

    Returns:
        Embeddings with float64 values, `[videos, dim]`, in the order of the file.

    Raises:
        UserError: not such a zip, or its content is not acceptable; names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(_only_member(archive, path, max_bytes))
        result = json.loads(text, object_pairs_hook=_Object, parse_constant=_refuse_constant)
        embeddings = _parse_result(result, path)
    except UserError:
        raise
    except UNREADABLE as error:
        raise UserError(f"{path}: not a readable submission zip: {unreadable_reason(error)}") from error
    check_embeddings(embeddings, path)
    return embeddings


class _Object(list[tuple[str, Any]]):
    """A JSON object as its (key, value) pairs, so that repeated keys are seen."""


def _refuse_constant(token: str) -> float:
    raise ValueError(f"{RESULT_JSON} contains {token}, which is not a number")


def _only_member(archive: zipfile.ZipFile, path: PathLike, max_bytes: int) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1:
        raise UserError(f"{path}: {len(members)} members; accepted is exactly one, {RESULT_JSON}")
    member = members[0]
    name = member.filename
    if not name.endswith(".json"):
        raise UserError(f"{path}: its member is {name!r}; accepted is {RESULT_JSON}")
    if fault := member_fault(member, max_bytes):
        raise UserError(f"{path}: its member {fault}")
    return member


def _parse_result(result: Any, path: PathLike) -> Embeddings:
    if not isinstance(result, _Object):
        raise UserError(f"{path}: {RESULT_JSON} is not an object {{id: [numbers]}}")
    size = None
    for video, vector in result:
        if type(vector) is not list or not set(map(type, vector)) <= {int, float}:
            raise UserError(f"{path}: the value of id {video} is not a list of numbers")
        size = len(vector) if size is None else size
        if len(vector) != size:
            raise UserError(f"{path}: id {video} has {len(vector)} numbers, those before it {size}")
    values = np.array([vector for _, vector in result], dtype=np.float64)
    return Embeddings([video for video, _ in result], values.reshape(len(result), size or 0))


def write_embeddings(path: PathLike, embeddings: Embeddings) -> None:
    """Writes `ids` (text) and `embeddings` (float16, `[videos, dim]`) as an npz file without pickles.

    Raises:
        UserError: the embeddings are not acceptable (see `check_embeddings`), or the file cannot be written.
    """
    check_embeddings(embeddings, path)
    with output_file(path) as file:
        np.savez(file, ids=id_array(embeddings.ids, path), embeddings=embeddings.values.astype(np.float16))


def id_array(ids: Sequence[str], where: PathLike) -> np.ndarray:
    """Ids as an array of text. Raises UserError for an id that NumPy cannot hold; `where` names the file in the message."""
    array = np.array(ids, dtype=np.str_)
    if array.tolist() != list(ids):  # numpy pads text with NUL and cannot keep one at the end
        raise UserError(f"{where}: an id ends with a NUL character")
    return array


def read_embeddings(path: PathLike, max_bytes: int = MAX_UNPACKED_BYTES) -> Embeddings:
    """Reads what `write_embeddings` wrote; `values` is `[videos, dim]` float16.

    Args:
        path: the npz file.
        max_bytes: largest accepted size of the unpacked arrays.

    Raises:
        UserError: missing, damaged or another kind of file; names the file.
    """
    arrays = read_npz(path, ("ids", "embeddings"), "embeddings file", max_bytes)
    ids, values = arrays["ids"], arrays["embeddings"]
    if ids.ndim != 1 or ids.dtype.kind != "U" or values.dtype.kind != "f":
        raise UserError(
            f"{path}: ids are {ids.dtype} {list(ids.shape)}, embeddings {values.dtype}; accepted are a list of text and floats"
        )
    embeddings = Embeddings(ids.tolist(), values)
    check_embeddings(embeddings, path)
    return embeddings
