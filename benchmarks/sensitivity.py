"""How far apart two trainings come that differ in the last bit of their first weights: python -m benchmarks.sensitivity

Each model is pre-trained on demo data as by `run.sh`, twice on the same batches. The second training starts with half of its
weights one rounding larger. A row gives the distance of all weights of the two, relative to the distance from the start, after so
many updates, both Spearman scores on test_a, and the rank correlation of the cosines. `mix_nextvlad-smooth` has smooth functions
for the ReLUs of text map and fusion. Models may be named as arguments.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.table import row
from vsim_tf.demo.data import write_demo_data
from vsim_tf.distributed.device import use_deterministic_kernels
from vsim_tf.evaluation.metrics import cosine_similarity, pair_rows, spearman
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.decoding import BatchFormat
from vsim_tf.input.pipeline import TrainingData, numbered_batches
from vsim_tf.models.architectures import Model
from vsim_tf.models.mix_nextvlad import MixNextVLADNetwork
from vsim_tf.presets import registry
from vsim_tf.presets.sizes import sized
from vsim_tf.records.labels import read_labels
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.text.tokenizers import Tokenizer, WordTokenizer, build_vocab
from vsim_tf.training.loop import Trainer
from vsim_tf.training.pretrain_inputs import read_texts
from vsim_tf.training.pretraining import make_trainer

STEPS = (2, 5, 10, 20, 40, 80, 160, 320)  # the first update has the rate 0
SMOOTH = "-smooth"
TOKENIZERS = {"bert": Tokenizer, "roformer": WordTokenizer}


def demo_model(name: str, data: Path) -> tuple[Model, BatchFormat]:
    """A model as the demo has it, and how records become its batches."""
    model, tags = sized(registry.preset(name).model, "tiny"), read_tag_list(data / "tag_list.txt")
    files = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
    kind = model.encoder.kind
    tokenizer = TOKENIZERS[kind](build_vocab(read_texts(files), kind))
    model = model.replace({"frames.dim": 128, "text.max_length": 16, "frames.max_frames": 8})
    model = model.fitted(tokenizer.vocab_size, len(tags))
    return model, batch_format(model, tokenizer, tags)


def demo_trainer(model: Model, seed: int = 42) -> Trainer:
    """The demo's pre-training."""
    rates = {"encoder": (1e-3, 80), "head": (4e-3, 10)}
    schedules = {
        f"groups.{group}.schedule": {"type": "linear", "peak": peak, "warmup": warmup, "horizon": STEPS[-1]}
        for group, (peak, warmup) in rates.items()
    }
    stage = registry.preset(model.name).pretrain.replace(
        schedules, batch_size=64, total_steps=STEPS[-1], seed=seed, precision="float32"
    )
    return make_trainer(model, stage, tf.distribute.get_strategy())


def smooth(model: MixNextVLADNetwork):
    """No function of text map and fusion has a kink any more; embeddings stay positive."""
    model.bert_map.activation = keras.activations.silu
    for fusion in model.fusions:
        fusion.dense.activation = keras.activations.softplus
        fusion.se.reduce.activation = keras.activations.silu


def disturb(trainer: Trainer):
    """Half of the weights become one rounding larger."""
    rng = np.random.default_rng(0)
    for weight in trainer.state.weights.values():
        value = weight.numpy()
        weight.assign(np.where(rng.random(value.shape) < 0.5, np.nextafter(value, np.inf, dtype=value.dtype), value))


def flat(trainer: Trainer) -> np.ndarray:
    return np.concatenate([weight.numpy().ravel() for weight in trainer.state.weights.values()])


def compare(name: str, data: Path):
    config, form = demo_model(name.removesuffix(SMOOTH), data)
    trainers = [demo_trainer(config) for _ in range(2)]
    if name.endswith(SMOOTH):
        for trainer in trainers:
            smooth(trainer.network)
    disturb(trainers[1])
    start = flat(trainers[0])
    files = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
    corruptions = [task.corrupt for task in trainers[0].stage.tasks.values()]
    batches = TrainingData(files, "videos", form, 64, 42, corruptions, trainers[0].stage.bucket_by_length)
    embedders = [Embedder(trainer.network) for trainer in trainers]
    test = numbered_batches([str(data / "test_a" / "test_a.tfrecords")], "videos", form, 256)
    pairs = read_labels(data / "test_a" / "label.tsv")
    for step, batch in enumerate(batches.batches().take(STEPS[-1]), 1):
        for trainer in trainers:
            trainer.train_step(batch)
        if step in STEPS:
            first, second = map(flat, trainers)
            distance = np.linalg.norm(first - second) / np.linalg.norm(first - start)
            cosines, scores = [], []
            for embedder in embedders:
                embeddings = embedder.embed(test)
                a, b, similarity = pair_rows(embeddings.ids, pairs)
                cosines.append(cosine_similarity(embeddings.values[a], embeddings.values[b]))
                scores.append(spearman(cosines[-1], similarity))
            row(
                f"{name}, {step} updates", f"distance {distance:.1e}",
                f"Spearman {scores[0]:.4f} and {scores[1]:.4f}, cosines correlate", spearman(*cosines),
            )  # fmt: skip


def main():
    use_deterministic_kernels(True)
    names = sys.argv[1:] or ["uniter", "mix_nextvlad", f"mix_nextvlad{SMOOTH}"]
    with tempfile.TemporaryDirectory() as folder:
        write_demo_data(f"{folder}/data")
        for name in names:
            compare(name, Path(folder) / "data")


if __name__ == "__main__":
    main()
