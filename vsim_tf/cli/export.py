"""Write a trained model, or an ensemble as one graph, for programs without this package:

vsim-tf export output/demo --output=exported
vsim-tf export output/demo/uniter/fold-00 --format=onnx --output=exported

docs/serving.md says how such a folder is used.
"""

import logging
from pathlib import Path

from absl import flags

from vsim_tf.errors import UserError
from vsim_tf.export.formats import FORMATS
from vsim_tf.inference.shipped import require_model
from vsim_tf.io.files import require_new
from vsim_tf.io.paths import BEST, LAST
from vsim_tf.io.quiet_imports import quiet_imports

FLAGS = flags.FLAGS
WORD = "path"

logger = logging.getLogger(__name__)


def define_flags() -> None:
    """Flags of the command."""
    flags.DEFINE_string("path", None, "Checkpoint, run folder, folder of folds, output folder, or saved model (vsim_tf.load).")
    flags.DEFINE_string("output", None, "Folder to write; it must not be there yet.")
    flags.DEFINE_enum(
        "format", "savedmodel", list(FORMATS), "onnx needs more packages (pip install tf2onnx onnxruntime), savedmodel none."
    )
    flags.DEFINE_enum("checkpoint", None, [LAST, BEST], "Of each run; default: the one that the model's stage keeps.")


def check_inputs() -> None:
    """`UserError` for what can be seen to be wrong before TensorFlow is loaded."""
    if not FLAGS.path or not FLAGS.output:
        raise UserError("a model and --output are needed: vsim-tf export output/demo --output=exported")
    require_model(FLAGS.path)
    require_new(FLAGS.output)
    FORMATS[FLAGS.format].require_installed()
    FORMATS[FLAGS.format].require_folder(Path(FLAGS.output))


def main() -> None:
    """Export as the flags say."""
    check_inputs()
    with quiet_imports():
        from vsim_tf.ensemble.front import load
        from vsim_tf.export.folder import export_model

    model = load(FLAGS.path, checkpoint=FLAGS.checkpoint)
    verified = export_model(model, FLAGS.output, FLAGS.format)
    logger.info(
        f"{FLAGS.output}: {model!r} as {FLAGS.format}; of {verified.videos} random videos the largest difference from the"
        f" checkpoints is {verified.largest_difference:.2g}"
    )
