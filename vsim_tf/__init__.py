"""Multimodal video similarity: videos in, embeddings of at most 256 numbers out, or classes.

    model = vsim_tf.load("output/demo")
    model.encode({"title": "天地玄黄", "frames": frames})
    vsim_tf.SimilarityEvaluator("test_a/label.tsv", "test_a/test_a.tfrecords")(model)

These names are imported at their first use, and TensorFlow when a model is loaded.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vsim_tf.errors import UserError
from vsim_tf.io.quiet_imports import quiet_imports

if TYPE_CHECKING:
    from vsim_tf.ensemble.front import load
    from vsim_tf.evaluation.model_evaluators import ClassificationEvaluator, RetrievalEvaluator, SimilarityEvaluator
    from vsim_tf.export.folder import export_model
    from vsim_tf.inference.model import Model
    from vsim_tf.search.index import Index

__version__ = "0.2.0"
__all__ = [
    "ClassificationEvaluator",
    "Index",
    "Model",
    "RetrievalEvaluator",
    "SimilarityEvaluator",
    "UserError",
    "__version__",
    "export_model",
    "load",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # messages are seen by who asks for them, as the scripts do

_EVALUATORS = "vsim_tf.evaluation.model_evaluators"
_MODULES = {
    "load": "vsim_tf.ensemble.front",
    "Index": "vsim_tf.search.index",
    "export_model": "vsim_tf.export.folder",
    "Model": "vsim_tf.inference.model",
    "ClassificationEvaluator": _EVALUATORS,
    "RetrievalEvaluator": _EVALUATORS,
    "SimilarityEvaluator": _EVALUATORS,
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with quiet_imports():
        globals()[name] = getattr(import_module(_MODULES[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
