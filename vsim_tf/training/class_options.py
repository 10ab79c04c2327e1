"""What a classification is asked for."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from vsim_tf.io.paths import fold_name
from vsim_tf.presets.preset import Classifier
from vsim_tf.runs.stage import Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassOptions:
    """What a classification was asked for.

    Attributes:
        classifier: the registered one.
        training: how to train.
        records: pattern of the labelled videos' records, of pictures or of features.
        pictures: whether the records are of pictures, which the model's own tower reads.
        runs: folds to validate on, or `FULL`.
        folder: holds the run folders.
        pretrained: pre-training run of the single stream, whose vocabulary is the model's, and whose weights unless `hub_dir` is.
        hub_dir: Hugging Face folder of the encoder; empty for that of the pre-training run.
        clip_dir: Hugging Face folder of the vision tower; empty for that of a run.
        tower_run: pre-training run whose tower is taken where `clip_dir` is empty.
        random_start: each run begins with random weights of its own; of what else it would start from there are sizes and
            vocabulary alone.
        overwrite, keep_optimizer: see `PretrainOptions`.
    """

    classifier: Classifier
    training: Stage
    records: str
    pictures: bool
    runs: Sequence[int | str]
    folder: Path
    pretrained: Path
    hub_dir: str = ""
    clip_dir: str = ""
    tower_run: Path | None = None
    random_start: bool = False
    overwrite: bool = False
    keep_optimizer: bool = False

    def run_folder(self, run: int | str) -> Path:
        """The folder of a fold, or of the run on all videos."""
        return self.folder / fold_name(run)
