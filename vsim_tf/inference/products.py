"""What models make of videos and leave in their run folders: embeddings, or class logits."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vsim_tf.io.paths import FULL, embeddings_file, predictions_file
from vsim_tf.records.embeddings import Embeddings, npz_bytes, write_embeddings
from vsim_tf.records.predictions import Predictions, predictions_bytes, write_predictions
from vsim_tf.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from vsim_tf.inference.embedder import Embedder
    from vsim_tf.tasks.task import Task


class VideoSet(NamedTuple):
    """Record files that belong together, and the name that results are stored under."""

    name: str
    files: list[str]


class Product:
    """A kind of result: how a network makes it, and the file of each test set in a run folder.

    Attributes:
        noun, script: what messages call it, and the script that makes it.
        named_runs: run folders that may have it besides those of folds.
    """

    noun, script = "", ""
    named_runs: tuple[str, ...] = ()

    def file(self, run: Path, name: str) -> Path:
        """The file of a test set in a run folder."""
        raise NotImplementedError

    def tasks(self) -> "list[Task]":
        """Tasks whose heads the network needs."""
        return []

    def embedder(self) -> "type[Embedder]":
        """What calls the network."""
        raise NotImplementedError

    def size(self, videos: int, width: int) -> int:
        """About how many bytes the file has."""
        raise NotImplementedError

    def write(self, path: Path, results: Embeddings, run: RunFolder) -> None:
        """Writes the results of a run, a row of numbers per id; the file appears complete or not at all."""
        raise NotImplementedError


class EmbeddingProduct(Product):
    """Embeddings, float16."""

    noun, script = "embeddings", "inference_pair.py"

    def file(self, run: Path, name: str) -> Path:
        return embeddings_file(run, name)

    def embedder(self) -> "type[Embedder]":
        from vsim_tf.inference.embedder import Embedder

        return Embedder

    def size(self, videos: int, width: int) -> int:
        return npz_bytes(videos, width)

    def write(self, path: Path, results: Embeddings, run: RunFolder) -> None:
        del run
        write_embeddings(path, results)


class PredictionProduct(Product):
    """Class logits, float32, with the ids of the classes."""

    noun, script, named_runs = "predictions", "predict_classify.py", (FULL,)

    def file(self, run: Path, name: str) -> Path:
        return predictions_file(run, name)

    def tasks(self) -> "list[Task]":
        from vsim_tf.tasks.classes import Classes

        return [Classes()]

    def embedder(self) -> "type[Embedder]":
        from vsim_tf.inference.predictor import Predictor

        return Predictor

    def size(self, videos: int, width: int) -> int:
        return predictions_bytes(videos, width)

    def write(self, path: Path, results: Embeddings, run: RunFolder) -> None:
        write_predictions(path, Predictions(results.ids, run.classes.ids, results.values))


EMBEDDINGS, PREDICTIONS = EmbeddingProduct(), PredictionProduct()
