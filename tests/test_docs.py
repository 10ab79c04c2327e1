"""Code in the documents runs as it stands."""

import re
from pathlib import Path

import numpy as np

from vsim_tf.data.labels import read_labels
from vsim_tf.data.videos import read_ids
from vsim_tf.submission import Embeddings, write_embeddings

DOCS = Path(__file__).parents[1] / "docs"


def test_the_code_of_data_md(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("pairwise", "pointwise"):
        Path("data", part).mkdir(parents=True)
    embeddings = Embeddings(["1001"], np.array([[1.0, 0.0]], "float32"))
    write_embeddings("output/uniter/fold-00/embeddings/test_b.npz", embeddings)
    code = re.findall(r"```python\n(.*?)```", (DOCS / "data.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    for part in code:
        exec(part, names)
    assert read_ids(["data/pairwise/pairwise.tfrecords"]) == ["1001", "1002", "1003"]
    assert [pair.similarity for pair in read_labels("data/pairwise/label.tsv")] == [0.35, 0.0]
    assert read_ids(["data/pointwise/pretrain_0.tfrecords"]) == ["1001"]
    assert names["ids"] == embeddings.ids
    np.testing.assert_array_equal(names["values"], embeddings.values)
