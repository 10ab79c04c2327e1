"""Annotation files of the WeChat contest of 2022: what is said, written and heard in each video, and its class."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from vsim_tf.errors import RecordError, Refused, raised
from vsim_tf.io.files import read_json_list
from vsim_tf.text.fields import Fields
from vsim_tf.types import PathLike

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
"""An id names files and a column of the result: no blanks, commas, or parts of a path."""
_CATEGORY = re.compile(r"[0-9]{4}")
_SHOWN = 60
"""Characters of a wrong value that a message shows."""


class Annotation(NamedTuple):
    """The texts of a video and its class.

    Attributes:
        id: of the video, as written in the file.
        title: what its author wrote about it.
        asr: recognised speech.
        ocr: texts read off its pictures, joined with nothing in between.
        category: class of level 2, four digits, of which the first two are that of level 1; "" where it is not known.
    """

    id: str
    title: str
    asr: str
    ocr: str
    category: str = ""

    @property
    def tags(self) -> None:
        """None: these videos have no tags."""

    @property
    def fields(self) -> Fields:
        """Its texts, to be tokenised."""
        return Fields(self.title, self.ocr, self.asr)


def read_annotations(path: PathLike, labelled: bool, refused: Refused = raised) -> list[Annotation]:
    """Reads a JSON list of objects with `id`, `title`, `asr`, `ocr` and, in labelled files, `category_id`.

    `ocr` is a list of objects with a `text`; other keys are not looked at. Half a character (a surrogate without the other one)
    becomes U+FFFD.

    Args:
        path: the file.
        labelled: whether videos must have a class; else it is left out even where the file has it.
        refused: takes an error for each object that cannot be used, which is left out.

    Returns:
        One annotation per object, in file order.

    Raises:
        UserError: no such file, or no JSON list.
        RecordError: a missing key, a value of another type, an id that is empty, repeated or no name of a file, a class that is
            not four digits; with the file, the record's number (from 0) and the id.
    """
    first: dict[str, int] = {}
    annotations = []
    for number, record in enumerate(read_json_list(path)):
        try:
            annotation = _parse(record, f"{path}, record {number}", labelled)
            if first.setdefault(annotation.id, number) != number:
                raise RecordError(f"{path}, record {number}: id {annotation.id} is that of record {first[annotation.id]}, too")
            annotations.append(annotation)
        except RecordError as error:
            refused(error)
    return annotations


def _parse(record: Any, where: str, labelled: bool) -> Annotation:
    if not isinstance(record, dict):
        raise RecordError(f"{where}: {_shown(record)} is no object")
    video = _value(record, "id", str, where)
    if not _ID.fullmatch(video):
        raise RecordError(f"{where}: the id {_shown(video)} is no name of a file; accepted are letters, digits, _ - and .")
    where = f"{where}, id {video}"
    title, asr = (valid_text(_value(record, key, str, where)) for key in ("title", "asr"))
    ocr = valid_text("".join(_ocr_texts(_value(record, "ocr", list, where), where)))
    return Annotation(video, title, asr, ocr, _category(record, where) if labelled else "")


def _value(record: dict[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in record:
        raise RecordError(f"{where}: the key {key!r} is missing; the record has {_shown(sorted(record))}")
    if not isinstance(record[key], kind):
        raise RecordError(f"{where}: {key} is {_shown(record[key])}; expected {'text' if kind is str else 'a list'}")
    return record[key]


def _ocr_texts(ocr: list[Any], where: str) -> Iterator[str]:
    for number, part in enumerate(ocr):
        if not isinstance(part, dict):
            raise RecordError(f"{where}: ocr[{number}] is {_shown(part)}; expected an object with a text")
        yield _value(part, "text", str, f"{where}, ocr[{number}]")


def _category(record: dict[str, Any], where: str) -> str:
    category: str = _value(record, "category_id", str, where)
    if not _CATEGORY.fullmatch(category):
        raise RecordError(f"{where}: category_id is {_shown(category)}; expected four digits, two of level 1 and two within it")
    return category


def valid_text(text: str) -> str:
    """The text as UTF-8 can hold it: JSON can spell half a character, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _shown(value: Any) -> str:
    text = valid_text(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
