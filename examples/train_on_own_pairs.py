"""From a table of videos and human similarity scores to a trained ensemble, by the scripts of the repository.

    python examples/train_on_own_pairs.py --table=videos.csv --features=features --scores=scores.csv --scale=0:5 --work=own

The table has the columns id, title and tags, the scores two ids and a number (docs/data.md). Models are pre-trained on tags and
titles, and fine-tuned on scores; here all videos of the table serve for both, and a fifth of them is embedded at the end.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import vsim_tf
from vsim_tf.records.tfrecords import read_records, write_records

ROOT = Path(__file__).resolve().parents[1]


def script(name: str, *arguments: str) -> None:
    subprocess.run([sys.executable, str(ROOT / name), *arguments], check=True)


def write_data(options: argparse.Namespace, data: Path) -> None:
    """The folder that run.sh reads: pointwise, pairwise with labels, a test set, and a list of tags."""
    records = data / "pairwise/pairwise.tfrecords"
    table = [f"--table={options.table}", f"--features={options.features}", f"--tag_list={data}/tag_list.txt"]
    script("extract_features.py", *table, f"--output={records}")
    script("write_labels.py", f"--scores={options.scores}", f"--scale={options.scale}", f"--output={data}/pairwise/label.tsv")
    videos = [record for _, record in read_records(records)]
    for folder in ("pointwise", "test_b"):
        (data / folder).mkdir(exist_ok=True)
    write_records(data / "pointwise/pretrain_0.tfrecords", videos)
    write_records(data / "test_b/test_b.tfrecords", videos[::5])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("table", "features", "scores", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--scale", default="0:1", help="scores of nothing in common and of the same content")
    parser.add_argument("flags", nargs="*", help="more options of run.sh, behind --")
    options = parser.parse_args()
    data, output = (Path(options.work) / name for name in ("data", "output"))
    write_data(options, data)
    folders = [f"--data_dir={data.resolve()}", f"--output_dir={output.resolve()}"]
    subprocess.run(["sh", "run.sh", "--preset=small", *folders, *options.flags], cwd=ROOT, check=True)
    print(vsim_tf.load(output))


if __name__ == "__main__":
    main()
