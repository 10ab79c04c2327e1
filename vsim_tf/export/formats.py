"""Kinds of exported models: how a graph is written, and how it is run again from its files."""

import importlib.util
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vsim_tf.errors import UserError, system_reason
from vsim_tf.io.disk_space import format_bytes
from vsim_tf.io.paths import ONNX

if TYPE_CHECKING:
    from vsim_tf.export.graph import ModelGraph

Inputs = dict[str, np.ndarray]
Run = Callable[[Inputs], np.ndarray]


class Format:
    """A kind of file.

    Attributes:
        name: what it is called.
        package, example: an import, and Python that makes `result` of `inputs` by it, by the model in the working folder;
            `OUTPUT` stands for the name of its output.
        largest: bytes of weights that it can hold; 0: any number.
    """

    name, package, example = "", "", ""
    largest: ClassVar[int] = 0

    def require_installed(self) -> None:
        """`UserError` for missing packages."""

    def require_folder(self, folder: Path) -> None:
        """`UserError` for a folder that the format cannot be read from."""

    def require_size(self, size: int) -> None:
        """`UserError` for more bytes of weights than a file can hold."""
        if self.largest and size >= self.largest:
            raise UserError(
                f"format={self.name}: the weights have {format_bytes(size)}, a file holds up to {format_bytes(self.largest)};"
                " export fewer checkpoints, or format=savedmodel",
                ["format"],
            )

    def write(self, graph: "ModelGraph", folder: Path) -> None:
        """Writes the graph with its weights."""
        raise NotImplementedError

    def open(self, folder: Path, output: str) -> Run:
        """The model that was written, as a function of its inputs."""
        raise NotImplementedError


class SavedModel(Format):
    """A TensorFlow SavedModel with the signature `serving_default`."""

    name = "savedmodel"
    package = "import tensorflow as tf"
    example = """model = tf.saved_model.load(".")
tensors = {name: tf.constant(value) for name, value in inputs.items()}
result = model.signatures["serving_default"](**tensors)["OUTPUT"].numpy()"""

    def require_folder(self, folder: Path) -> None:
        if found := set("*?[\\") & set(os.path.abspath(folder)):
            raise UserError(
                f"{folder}: TensorFlow takes {' '.join(sorted(found))} for a pattern; give a folder without", ["output"]
            )

    def write(self, graph: "ModelGraph", folder: Path) -> None:
        import tensorflow as tf

        module = tf.Module()
        module.weights = graph.weights
        try:
            tf.saved_model.save(module, os.fspath(folder), signatures={"serving_default": graph.function})
        except tf.errors.OpError as error:
            raise UserError(f"{folder}: cannot be written: {system_reason(error)}") from error

    def open(self, folder: Path, output: str) -> Run:
        import tensorflow as tf

        loaded = tf.saved_model.load(os.fspath(folder))

        def run(inputs: Inputs) -> np.ndarray:
            tensors = {name: tf.constant(value) for name, value in inputs.items()}
            result: np.ndarray = loaded.signatures["serving_default"](**tensors)[output].numpy()
            return result

        return run


class Onnx(Format):
    """One file for onnxruntime and others, made by tf2onnx."""

    name = "onnx"
    package = "import onnxruntime"
    example = """session = onnxruntime.InferenceSession("model.onnx")
(result,) = session.run(["OUTPUT"], inputs)"""
    opset: ClassVar[int] = 18
    largest = 2**31 - 2**26
    """A protocol buffer has at most 2 GiB; the rest is for the graph."""

    def require_installed(self) -> None:
        missing = [name for name in ("tf2onnx", "onnxruntime") if not importlib.util.find_spec(name)]
        if missing:
            raise UserError(
                f"format=onnx: {' and '.join(missing)} not installed; `pip install tf2onnx onnxruntime` brings both", ["format"]
            )

    def write(self, graph: "ModelGraph", folder: Path) -> None:
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        model, _ = tf2onnx.convert.from_function(
            graph.function, list(graph.specs.values()), opset=self.opset, custom_op_handlers={"Erfc": (_erfc, [])}
        )
        (folder / ONNX).write_bytes(model.SerializeToString())

    def open(self, folder: Path, output: str) -> Run:
        import onnxruntime

        session = onnxruntime.InferenceSession(os.fspath(folder / ONNX), providers=["CPUExecutionProvider"])

        def run(inputs: Inputs) -> np.ndarray:
            result: np.ndarray = session.run([output], inputs)[0]
            return result

        return run


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """1 - erf(x), in the place of TensorFlow's Erfc in GELU, which ONNX does not have."""
    (output,) = node.output
    kind = {"dtypes": [graph.get_dtype(output)], "shapes": [graph.get_shape(output)]}
    graph.remove_node(name)
    erf = graph.make_node("Erf", list(node.input), **kind)
    one = graph.make_const(f"{name}/one", np.float32(1))
    graph.make_node("Sub", [one.output[0], erf.output[0]], name=name, outputs=[output], **kind)


FORMATS: dict[str, Format] = {each.name: each for each in (SavedModel(), Onnx())}
