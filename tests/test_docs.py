"""Code in the documents runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from vsim_tf.data.labels import read_labels
from vsim_tf.data.videos import read_ids
from vsim_tf.submission import Embeddings, write_embeddings

ROOT = Path(__file__).parents[1]


def test_the_code_of_data_md(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("pairwise", "pointwise"):
        Path("data", part).mkdir(parents=True)
    embeddings = Embeddings(["1001"], np.array([[1.0, 0.0]], "float32"))
    write_embeddings("output/uniter/fold-00/embeddings/test_b.npz", embeddings)
    parts = re.findall(r"```python\n(.*?)```", (ROOT / "docs/data.md").read_text(encoding="utf-8"), re.DOTALL)
    Path("example.py").write_text("\n".join([*parts, "print(ids, values.tolist())"]), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "example.py"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "['1001'] [[1.0, 0.0]]\n"
    assert read_ids(["data/pairwise/pairwise.tfrecords"]) == ["1001", "1002", "1003"]
    assert [pair.similarity for pair in read_labels("data/pairwise/label.tsv")] == [0.35, 0.0]
    assert read_ids(["data/pointwise/pretrain_0.tfrecords"]) == ["1001"]
