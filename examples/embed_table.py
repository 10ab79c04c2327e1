"""Embeddings of a table of videos: a CSV file with the columns id and title, and features/ID.npy for each video.

    python examples/embed_table.py --model=output/demo --table=videos.csv --features=features --output=embeddings.npz

The file holds ids and unit-norm embeddings; `vsim_tf.records.embeddings.read_embeddings` reads it.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

import vsim_tf
from vsim_tf.records.embeddings import Embeddings, write_embeddings


def read_videos(table: Path, features: Path) -> dict[str, dict]:
    """Items for `encode` by id."""
    with open(table, encoding="utf-8-sig", newline="") as file:
        return {
            row["id"]: {"title": row["title"], "frames": np.load(features / f"{row['id']}.npy", allow_pickle=False)}
            for row in csv.DictReader(file)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="whatever vsim_tf.load opens")
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--output", required=True, help="an .npz file")
    options = parser.parse_args()
    try:
        videos = read_videos(options.table, options.features)
        values = vsim_tf.load(options.model).encode(list(videos.values()), normalize=True, progress=True)
    except (OSError, vsim_tf.UserError) as error:
        parser.error(str(error))
    write_embeddings(options.output, Embeddings(list(videos), values))
    print(f"{options.output}: {len(values)} videos, {values.shape[1]} dimensions")


if __name__ == "__main__":
    main()
