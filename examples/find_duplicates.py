"""Groups of near-duplicates among embeddings: videos that a chain of cosines above a threshold connects, one group a line.

python examples/find_duplicates.py embeddings.npz --threshold=0.95
"""

import argparse

import vsim_tf
from vsim_tf.records.embeddings import read_embeddings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", help="what embed_table.py or inference_pair.py wrote")
    parser.add_argument("--threshold", type=float, default=0.95)
    options = parser.parse_args()
    index = vsim_tf.Index.build(read_embeddings(options.embeddings))
    for group in index.duplicates(options.threshold):
        print(*(video.id for video in group))


if __name__ == "__main__":
    main()
