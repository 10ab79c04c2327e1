"""Serve a trained model, or an ensemble, over HTTP with JSON:

vsim-tf serve output/demo
vsim-tf serve output/demo --index=index --host=0.0.0.0 --port=80

docs/server.md describes requests and answers; so does /openapi.json of the server.
"""

import dataclasses
import importlib.util
from typing import TYPE_CHECKING, Any

from absl import flags

from vsim_tf.errors import UserError
from vsim_tf.inference.shipped import require_model
from vsim_tf.io.files import require_existing
from vsim_tf.io.paths import BEST, LAST
from vsim_tf.runs.stage import PRECISIONS
from vsim_tf.serving.limits import Limits

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model
    from vsim_tf.search.index import Index

FLAGS = flags.FLAGS
WORD = "path"
PACKAGES = ("fastapi", "uvicorn")


def define_flags() -> None:
    """Flags of the command."""
    limits = Limits()
    flags.DEFINE_string(
        "path", None, "Checkpoint, run folder, folder of folds, output folder, saved model, or shipped one (vsim_tf.load)."
    )
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0: all. There is no password: put a proxy before it.")
    flags.DEFINE_integer("port", 8000, "Port to listen at; 0: a free one, which is printed.", lower_bound=0, upper_bound=65535)
    flags.DEFINE_string("index", None, "Folder that vsim-tf index wrote of this model, for /search.")
    flags.DEFINE_string("clip_dir", None, "For models that read features: what makes them of pictures, see vsim_tf.load.")
    flags.DEFINE_enum("checkpoint", None, [LAST, BEST], "Of each run; default: the one that the model's stage keeps.")
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Arithmetic; auto: mixed_bfloat16 on GPUs made for it, else float32.")
    flags.DEFINE_integer("max_batch", 64, "Videos that are computed together.", lower_bound=1)
    flags.DEFINE_float("max_wait_ms", 2.0, "So long a request waits for others to be computed with.", lower_bound=0)
    flags.DEFINE_integer("max_videos", limits.max_videos, "Videos of a list of a request.", lower_bound=1)
    flags.DEFINE_integer("max_frames", limits.max_frames, "Frames or pictures of a video.", lower_bound=1)
    flags.DEFINE_integer("max_text", limits.max_text, "Characters of a title, of OCR and of speech.", lower_bound=1)
    flags.DEFINE_integer("max_body_mb", limits.max_body_mb, "MiB of a request.", lower_bound=1)
    flags.DEFINE_integer("max_queue", limits.max_queue, "Requests at a time; one more is answered with 503.", lower_bound=1)
    flags.DEFINE_float("timeout", limits.timeout, "Seconds until a request is answered, else with 504.")


def check_inputs() -> None:
    """`UserError` for what can be seen to be wrong before TensorFlow is loaded."""
    if not FLAGS.path:
        raise UserError("a model is needed: vsim-tf serve output/demo")
    require_model(FLAGS.path)
    require_existing(FLAGS.index, FLAGS.clip_dir)
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise UserError(f"{' and '.join(missing)} not installed; `pip install {' '.join(missing)}` brings what is missing")


def main() -> None:
    """Serve as the flags say, until a signal."""
    check_inputs()
    asked: dict[str, Any] = {field.name: FLAGS[field.name].value for field in dataclasses.fields(Limits)}
    limits = Limits(**asked)
    from vsim_tf.serving.server import bound, serve

    with bound(FLAGS.host, FLAGS.port) as port:
        index, model = _index(), _model()
        if index:
            index.require_model(model)
        serve(model, port, limits, FLAGS.max_batch, FLAGS.max_wait_ms / 1000, index)


def _index() -> "Index | None":
    """The index, read before the model, as it takes less time to be refused."""
    if not FLAGS.index:
        return None
    from vsim_tf.search.index import Index

    return Index.open(FLAGS.index)


def _model() -> "Model":
    from vsim_tf.ensemble.front import load

    return load(FLAGS.path, FLAGS.precision, FLAGS.checkpoint, FLAGS.clip_dir)
