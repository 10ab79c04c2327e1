"""Writes demo data in the format of a contest: python -m vsim_tf.demo --output_dir=data/demo"""

import os
from pathlib import Path

from absl import flags

from vsim_tf.cli import app
from vsim_tf.demo.data import CONTEST
from vsim_tf.demo.short_videos import SHORT_VIDEOS
from vsim_tf.errors import UserError

DEMO_SETS = {"aiac2021_rank4": CONTEST, "aiac2021_rank1": CONTEST, "wbdc2022_rank8": SHORT_VIDEOS}
"""By the system that they are for."""
_FLAG_HELP = {
    "num_pointwise": "Tagged videos for pre-training.",
    "num_pairwise_videos": "Tagged videos for the labelled pairs.",
    "num_pairs": "Labelled pairs for fine-tuning.",
    "num_unlabeled": "Videos without a class for pre-training.",
    "num_labeled": "Videos with a class for fine-tuning.",
    "num_test_videos": "Videos of each of test_a and test_b.",
    "num_test_pairs": "Labelled pairs of each of test_a and test_b.",
    "num_video_files": "Videos with a class that are there as .mp4 files, too.",
    "frame_embedding_size": "Values of a frame.",
    "picture_size": "Height and width of a frame in pixels.",
    "seed": "Seed of everything.",
}


def define_flags() -> None:
    flags.DEFINE_string("output_dir", "data/demo", "Folder for the demo data.")
    flags.DEFINE_enum("system", "aiac2021_rank4", list(DEMO_SETS), "The published system that the data are for.")
    for name, text in _FLAG_HELP.items():
        defaults = {demo.defaults[name]: None for demo in DEMO_SETS.values() if name in demo.defaults}
        systems = "" if len(_systems_of(name)) == len(DEMO_SETS) else f"; for {' and '.join(_systems_of(name))} alone"
        flags.DEFINE_integer(name, None, f"{text} Default: {' or '.join(map(str, defaults))}{systems}.")


def _systems_of(name: str) -> list[str]:
    """The systems whose data have such a size."""
    return [system for system, demo in DEMO_SETS.items() if name in demo.defaults]


def check_flags(devices: int = 1) -> None:
    """`UserError` for illegal sizes, and for sizes of another system."""
    del devices  # which take no part
    demo = DEMO_SETS[flags.FLAGS.system]
    for name in _FLAG_HELP:
        if flags.FLAGS[name].value is not None and name not in demo.defaults:
            systems = " and ".join(_systems_of(name))
            raise UserError(f"{name} is a size of the data for {systems}, not for --system={flags.FLAGS.system}", [name])
    demo.check_sizes(_sizes())


def check_inputs() -> None:
    """There are none."""


def finished() -> bool:
    """Whether the data set is there, after saying so."""
    if not DEMO_SETS[flags.FLAGS.system].is_complete(Path(os.path.abspath(flags.FLAGS.output_dir)), _sizes()):
        return False
    main()
    return True


def _sizes() -> dict[str, int]:
    defaults = DEMO_SETS[flags.FLAGS.system].defaults
    given = {name: flags.FLAGS[name].value for name in defaults}
    return {**defaults, **{name: value for name, value in given.items() if value is not None}}


def main() -> None:
    """Write demo data as the flags say."""
    check_flags()
    written = DEMO_SETS[flags.FLAGS.system].write(flags.FLAGS.output_dir, _sizes())
    outcome = "demo data written" if written else "complete demo data is there, nothing to do"
    print(f"{flags.FLAGS.output_dir}: {outcome}")


if __name__ == "__main__":
    define_flags()
    app.run(main, __doc__)
