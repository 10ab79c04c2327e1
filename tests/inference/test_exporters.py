"""Files of embeddings by the ending of their name."""

import json

import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.inference.exporters import Exporter, exporter_of
from vsim_tf.records.embeddings import Embeddings, read_embeddings, read_submission

EMBEDDINGS = Embeddings(["7", "九"], np.float32([[0.5, -1], [0, 2]]))
READERS = {"submission": read_submission, "npz": read_embeddings}


@pytest.mark.parametrize("name", READERS)
def test_what_is_written_is_read_again(name, tmp_path):
    exporter = Exporter.entries[name]()
    path = tmp_path / f"embeddings{exporter.ending}"
    exporter_of(path).write(path, EMBEDDINGS)
    found = READERS[name](path)
    assert found.ids == EMBEDDINGS.ids
    np.testing.assert_array_equal(found.values, EMBEDDINGS.values)
    assert path.stat().st_size <= exporter.size(2, 2) + 1000
    assert Exporter.from_dict(json.loads(json.dumps(exporter.to_dict()))) == exporter


@pytest.mark.parametrize("name", ["embeddings.csv", "embeddings"])
def test_another_ending_is_refused(name, tmp_path):
    with pytest.raises(UserError, match=rf"{name}: embeddings are written to files that end with .zip, .npz"):
        exporter_of(tmp_path / name)
