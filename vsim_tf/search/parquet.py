"""Embeddings as a parquet file, which vector databases import."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.io.files import output_file
from vsim_tf.types import PathLike

ROWS_AT_A_TIME = 1 << 16


def write_parquet(path: PathLike, ids: Sequence[str], titles: Sequence[str | None], vectors: np.ndarray) -> None:
    """Writes the columns `id`, `title` and `vector`, a list of `dim` float32 numbers; the file appears complete or not at all.

    Raises:
        UserError: pyarrow is not installed, or the file cannot be written.
    """
    pyarrow, parquet = require_pyarrow(path)
    vector = pyarrow.list_(pyarrow.float32(), vectors.shape[1])
    schema = pyarrow.schema([("id", pyarrow.string()), ("title", pyarrow.string()), ("vector", vector)])
    with output_file(path) as file, parquet.ParquetWriter(file, schema) as writer:
        for start in range(0, len(ids), ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors[rows].ravel()), vectors.shape[1])
            writer.write(
                pyarrow.record_batch([pyarrow.array(ids[rows]), pyarrow.array(titles[rows], pyarrow.string()), values], schema)
            )


def require_pyarrow(path: PathLike) -> tuple[Any, Any]:
    """The modules of pyarrow that write a file; `UserError` where it is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{path}: pyarrow is not installed; `pip install pyarrow` brings it") from None
    return pyarrow, parquet
