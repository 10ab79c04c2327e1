"""Writes demo data in the contest's format: python -m vsim_tf.demo --output_dir=data/demo"""

import os
from pathlib import Path
from typing import Any

from absl import flags

from vsim_tf.cli import app
from vsim_tf.demo.data import VERSION, check_sizes, is_complete, write_demo_data

_FLAG_HELP = {
    "num_pointwise": "Tagged videos for pre-training.",
    "num_pairwise_videos": "Tagged videos for the labelled pairs.",
    "num_pairs": "Labelled pairs for fine-tuning.",
    "num_test_videos": "Videos of each of test_a and test_b.",
    "num_test_pairs": "Labelled pairs of each of test_a and test_b.",
    "frame_embedding_size": "Values of a frame.",
    "seed": "Seed of everything.",
}


def define_flags() -> None:
    flags.DEFINE_string("output_dir", "data/demo", "Folder for the demo data.")
    for name, text in _FLAG_HELP.items():
        flags.DEFINE_integer(name, (write_demo_data.__kwdefaults__ or {})[name], text)


def check_flags(devices: int = 1) -> None:
    """`UserError` for illegal sizes."""
    del devices  # which take no part
    check_sizes(_parameters())


def check_inputs() -> None:
    """There are none."""


def finished() -> bool:
    """Whether the data set is there, after saying so."""
    if not is_complete(Path(os.path.abspath(flags.FLAGS.output_dir)), {"version": VERSION, **_parameters()}):
        return False
    main()
    return True


def _parameters() -> dict[str, Any]:
    return {name: flags.FLAGS[name].value for name in _FLAG_HELP}


def main() -> None:
    """Write demo data as the flags say."""
    written = write_demo_data(flags.FLAGS.output_dir, **_parameters())
    outcome = "demo data written" if written else "complete demo data is there, nothing to do"
    print(f"{flags.FLAGS.output_dir}: {outcome}")


if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__, __name__)
