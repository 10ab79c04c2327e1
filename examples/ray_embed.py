"""Embeddings of many videos by Ray Data: each process or machine loads the model once and encodes batches.

    python examples/ray_embed.py --model=output/demo --table=videos.parquet --output=embeddings

The Parquet file has the columns id, title and features, the path of a NumPy file for each video. The output is a folder of
Parquet files with id and embedding.
"""

import argparse

import numpy as np
import ray

import vsim_tf


class Embed:
    """Loaded once in each process."""

    def __init__(self, model: str):
        self.model = vsim_tf.load(model)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        videos = [
            {"title": title, "frames": np.load(path, allow_pickle=False)}
            for title, path in zip(batch["title"], batch["features"], strict=True)
        ]
        return {"id": batch["id"], "embedding": self.model.encode(videos, normalize=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "table", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    videos = ray.data.read_parquet(options.table)
    embedded = videos.map_batches(Embed, fn_constructor_args=(options.model,), batch_size=256, concurrency=options.processes)
    embedded.write_parquet(options.output)
    print(f"{options.output}: {ray.data.read_parquet(options.output).count()} videos")


if __name__ == "__main__":
    main()
