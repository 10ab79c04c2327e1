"""List all that is wrong with a data folder, and what it holds: vsim-tf check data

Exit code 0: no problems; 1: problems; 2: there is nothing to check.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from vsim_tf.cli import run_length
from vsim_tf.cli.check_output import NAMED, show
from vsim_tf.cli.setting_flags import with_flags
from vsim_tf.errors import UserError
from vsim_tf.io.files import output_file, read_json_object, require_existing, stamp
from vsim_tf.io.paths import LABELED, LABELS, PAIRWISE, POINTWISE, UNLABELED

if TYPE_CHECKING:
    from vsim_tf.checks.report import Report

FLAGS = flags.FLAGS
WORD = "data_dir"
PROBLEMS_EXIT = 1

logger = logging.getLogger(__name__)


def define_flags() -> None:
    """Flags of check_data.py."""
    flags.DEFINE_string(
        "data_dir", "data",
        "Folder with pairwise/, pointwise/ ..., with labeled/, unlabeled/ ... as extract_features.py writes them, or with"
        " annotations/, frames/ and features/.",
    )  # fmt: skip
    flags.DEFINE_integer(
        "frame_embedding_size", None, "Feature dimension of a frame; default: that of most videos.", lower_bound=1
    )
    flags.DEFINE_integer(
        "records_per_file", 0, "Look at so many records of each file, or videos of each split, the first ones; 0: all.",
        lower_bound=0,
    )  # fmt: skip
    flags.DEFINE_integer("max_problems", 100, "List so many problems of each file, but count all; 0: list all.", lower_bound=0)
    run_length.define_preset("too few videos for its batches are a problem")
    flags.DEFINE_boolean("json", False, "Print one JSON object.")
    flags.DEFINE_string(
        "output", None, "File for the JSON object; it is not made again while it has no problems and the files are the same."
    )
    flags.DEFINE_boolean("warn_only", False, "Exit with code 0 in spite of problems.")


def check_flags(devices: int = 1) -> None:
    """None of them contradict each other."""
    del devices  # which take no part


def check_inputs() -> None:
    """`UserError` for a folder that does not exist."""
    require_existing(FLAGS.data_dir)


def finished() -> bool:
    """Whether the same files were checked before without problems, after saying so."""
    if not FLAGS.output or not os.path.exists(FLAGS.output):
        return False
    try:
        found = read_json_object(FLAGS.output)
    except UserError:  # damaged
        return False
    if found.get("made by") != _made_by() or found.get("number of problems") != 0:
        return False
    logger.info(f"{FLAGS.data_dir}: checked before, no problems ({FLAGS.output})")
    return True


def main() -> None:
    """Check as the flags say."""
    check_inputs()
    from vsim_tf.checks.folder import check_folder

    report = check_folder(FLAGS.data_dir, FLAGS.frame_embedding_size, FLAGS.records_per_file, FLAGS.max_problems, least())
    content = _content(report)
    if FLAGS.output:
        with output_file(FLAGS.output) as file:
            file.write(json.dumps({"made by": _made_by(), **content}, ensure_ascii=False, indent=1).encode())
    if FLAGS.json:
        print(json.dumps(content, ensure_ascii=False))
    else:
        show(report)
    if report.num_problems and not FLAGS.warn_only:
        sys.exit(PROBLEMS_EXIT)


def least() -> dict[str, int]:
    """Videos or pairs that a preset cannot do without, by the part of the data."""
    preset = run_length.preset()
    if not preset:
        return {}
    labelled = {f"{PAIRWISE}/{LABELS}": preset.least_labelled, LABELED: preset.least_labelled}
    return {POINTWISE: preset.least_videos, UNLABELED: preset.least_videos} | labelled


def _content(report: "Report") -> dict[str, Any]:
    """The report as JSON, with flags in the place of settings."""
    content = report.as_json()
    for shown, problem in zip(content["problems"], report.problems, strict=True):
        shown["message"] = with_flags(problem.message, problem.fields)
    content["notes"] = [with_flags(note, NAMED) for note in report.notes]
    return content


def _made_by() -> dict[str, Any]:
    """All that a report follows from: flags, and the files of the folder but for single videos below frames/."""
    folder = Path(FLAGS.data_dir)
    files = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file())
    return {
        "frame_embedding_size": FLAGS.frame_embedding_size,
        "records_per_file": FLAGS.records_per_file,
        "preset": FLAGS.preset,
        "files": [{**stamp(path), "name": str(path.relative_to(folder))} for path in files],
    }
