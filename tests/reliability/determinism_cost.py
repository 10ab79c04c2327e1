"""What TensorFlow's deterministic kernels cost on this machine, and whether runs are the same bit for bit without them.

    PYTHONPATH=. python tests/reliability/determinism_cost.py [alternations]

Tiny models pre-train a few steps on demo data, in alternating processes with and without `enable_op_determinism`. Printed are
medians over processes of a step's processor time and duration, and how many different weights came out: 1 means the same bits.
"""

import collections
import glob
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time

MODELS, STEPS, BATCH, DIM = ("uniter", "mix_nextvlad"), 30, 64, 128


def measure(folder: str, name: str, deterministic: bool):
    """Prints processor and wall seconds per step and a hash of everything that was trained."""
    import tensorflow as tf

    from vsim_tf.distributed.device import use_deterministic_kernels
    from vsim_tf.input.pipeline import TrainingData
    from vsim_tf.presets import registry
    from vsim_tf.presets.sizes import sized
    from vsim_tf.records.tags import read_tag_list
    from vsim_tf.runs.run_folder import batch_format
    from vsim_tf.text.tokenizers import Tokenizer, build_vocab
    from vsim_tf.training.pretrain_inputs import read_texts
    from vsim_tf.training.pretraining import make_trainer

    use_deterministic_kernels(deterministic)
    files, tags = sorted(glob.glob(f"{folder}/pointwise/*.tfrecords")), read_tag_list(f"{folder}/tag_list.txt")
    tokenizer = Tokenizer(build_vocab(read_texts(files), "bert"))
    preset, sizes = registry.preset(name), {"frames.dim": DIM, "frames.max_frames": 8, "text.max_length": 16}
    model = sized(preset.model, "tiny").replace(sizes).fitted(tokenizer.vocab_size, len(tags))
    constant = {"type": "linear", "peak": 1e-3, "warmup": 0, "horizon": 1000}
    schedules = {f"groups.{group}.schedule": constant for group in preset.pretrain.groups}
    stage = preset.pretrain.replace(schedules, batch_size=BATCH, total_steps=STEPS)
    trainer = make_trainer(model, stage, tf.distribute.get_strategy())
    corruptions = [task.corrupt for task in stage.tasks.values()]
    data = TrainingData(files, "videos", batch_format(model, tokenizer, tags), BATCH, 42, corruptions)
    batches, seconds = iter(data.batches()), []
    for _ in range(5):
        trainer.train_step(next(batches))
    started = time.process_time()
    for _ in range(STEPS):
        before = time.perf_counter()
        float(trainer.train_step(next(batches))["loss"])
        seconds.append(time.perf_counter() - before)
    processor = (time.process_time() - started) / STEPS
    trained = trainer.state.weights | trainer.state.slots
    digest = hashlib.sha256(b"".join(trained[key].numpy().tobytes() for key in sorted(trained)))
    print(processor, statistics.median(seconds), digest.hexdigest())


def main(alternations: int, folder: str):
    from vsim_tf.demo.data import write_demo_data

    write_demo_data(folder, frame_embedding_size=DIM, num_pointwise=1500)
    processor, wall, digests = (collections.defaultdict(list) for _ in range(3))
    for turn in range(alternations):
        modes = ("default", "deterministic") if turn % 2 else ("deterministic", "default")
        for case in [(name, mode) for name in MODELS for mode in modes]:
            command = [sys.executable, __file__, folder, *case]
            took, lasted, digest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            processor[case].append(float(took))
            wall[case].append(float(lasted))
            digests[case].append(digest)
    for name in MODELS:
        before, after = (name, "default"), (name, "deterministic")
        for what, seconds in (("processor time", processor), ("duration", wall)):
            plain, exact = statistics.median(seconds[before]), statistics.median(seconds[after])
            print(f"{name}: {what} {1e3 * plain:.1f} ms a step, deterministic kernels {exact / plain - 1:+.1%}")
        counts = [len(set(digests[case])) for case in (before, after)]
        print(f"{name}: different weights in {alternations} runs: {counts[0]} by default, {counts[1]} with deterministic kernels")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measure(*sys.argv[1:3], deterministic=sys.argv[3] == "deterministic")
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(int(sys.argv[1]) if sys.argv[1:] else 8, temporary)
