"""Embeddings in parquet, read back by pyarrow."""

import sys

import numpy as np
import pytest
from vectors import clustered

from vsim_tf.errors import UserError
from vsim_tf.search import parquet as written


def test_id_title_and_vector(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(written, "ROWS_AT_A_TIME", 2)
    vectors = clustered(5, 4)
    written.write_parquet(tmp_path / "a.parquet", list("abcde"), ["天", None, "", "d", "e"], vectors)
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["id", "title", "vector"]
    assert table.schema.field("vector").type == pyarrow.list_(pyarrow.float32(), 4)
    assert table["id"].to_pylist() == list("abcde") and table["title"].to_pylist() == ["天", None, "", "d", "e"]
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), vectors)


def test_pyarrow_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="a.parquet: pyarrow is not installed; `pip install pyarrow` brings it"):
        written.write_parquet(tmp_path / "a.parquet", ["a"], ["天"], clustered(1, 4))
    assert not list(tmp_path.iterdir())
