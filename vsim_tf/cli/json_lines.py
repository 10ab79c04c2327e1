"""Results as JSON lines, printed or in a file."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vsim_tf.cli.app import end_with_the_reader
from vsim_tf.io.files import output_file

if TYPE_CHECKING:
    from vsim_tf.search.index import Neighbour

DIGITS = 6
"""Behind the point of a cosine: those that float32 has."""


def write_json_lines(output: str | None, lines: Iterable[dict[str, Any]]) -> None:
    """Writes one object a line into a file, which appears complete or not at all, or prints them if none is named."""
    texts = (json.dumps(line, ensure_ascii=False) for line in lines)
    if output:
        with output_file(output) as file:
            file.writelines(f"{text}\n".encode() for text in texts)
        return
    end_with_the_reader()
    for text in texts:
        print(text)


def neighbour(found: "Neighbour") -> dict[str, Any]:
    """A video of an index with its similarity."""
    return {"id": found.id, "title": found.title, "similarity": round(found.similarity, DIGITS)}
