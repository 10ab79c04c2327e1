"""Models, batches and records like the contest's, and the rate of matrix products to compare with."""

import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.table import median, seconds
from vsim_tf.input.order import WINDOW_BATCHES
from vsim_tf.models.architectures import Model
from vsim_tf.presets import recipes, registry
from vsim_tf.records.schema import IGNORED_TOKEN, PairBatch, VideoBatch

VOCABULARY, TAGS = 21128, 10_000
INNER_AXIS = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}
"""Matrix products of a graph, and the attribute that says which axis of the first factor is summed over."""
DTYPES = {"float32": tf.float32, "mixed_bfloat16": tf.bfloat16}
WINDOW_PLACES = (2, 7, 12)
"""Batches of a sorted window that stand for its 16: their mean length is that of the window, to a token."""


def gemm_rate(precision: str, positions: int = 2048, width: int = 768) -> float:
    """GFLOP/s of matrix products at the shapes of an encoder, by default base with 2048 positions, forward and backward."""
    dtype = DTYPES[precision]
    total, spent = 0.0, 0.0
    wide = 4 * width
    for m, k, n in ((positions, width, 3 * width), (positions, width, wide), (positions, wide, width), (width, positions, wide)):
        a, b = tf.cast(tf.random.normal((m, k)), dtype), tf.cast(tf.random.normal((k, n)), dtype)
        product = tf.function(tf.matmul)
        product(a, b)
        spent += median([seconds(lambda a=a, b=b, product=product: product(a, b).numpy()) for _ in range(7)])
        total += 2e-9 * m * k * n
    return total / spent


def encoder_gflop(config: Model, videos: int, positions: float) -> float:
    """Matrix products of the encoder's forward pass."""
    encoder = config.encoder
    dense = 2 * encoder.hidden_size * (4 * encoder.hidden_size + 2 * encoder.intermediate_size)
    attention = 4 * positions * encoder.hidden_size
    return 1e-9 * encoder.num_layers * videos * positions * (dense + attention)


def step_gflop(trainer, batch: VideoBatch | PairBatch) -> float:
    """Matrix products of a training step on a batch, forward and backward, counted in its graph while it runs."""

    @tf.function
    def shapes(batch):
        trainer.compiled_step.python_function(batch)
        products = [op for op in tf.compat.v1.get_default_graph().get_operations() if op.type in INNER_AXIS]
        inner = [-2 if op.get_attr(INNER_AXIS[op.type]) else -1 for op in products]
        return [(tf.shape(op.outputs[0]), tf.shape(op.inputs[0])[axis]) for op, axis in zip(products, inner, strict=True)]

    return 1e-9 * sum(2 * math.prod(map(int, (*shape, inner))) for shape, inner in shapes(batch))


def base_model(name: str, recipe: str = "2021") -> Model:
    """A registered model at the 2021 size with 10,000 tags."""
    return recipes.recipe(recipe).model(registry.preset(name).model.fitted(VOCABULARY, TAGS))


def contest_lengths(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of titles (7 to 30 characters) and frames of videos (5 to 32, 16.6 on average), `[count]` each."""
    rng = np.random.default_rng(seed)
    return 9 + np.round(23 * rng.beta(2, 2.5, count)).astype(int), 5 + np.round(27 * rng.beta(2.1, 2.8, count)).astype(int)


def window(config: Model, size: int, sides: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Tokens and frames of the sides of each chosen batch of a window, sorted by length where training sorts."""
    lengths = [contest_lengths(WINDOW_BATCHES * size, side) for side in range(sides)]
    needed = sum(tokens * config.trims_text + frames * config.trims_frames for tokens, frames in lengths)
    order = np.argsort(needed, kind="stable") if config.videos_are_independent else np.arange(len(needed))
    parts = [order[place * size : (place + 1) * size] for place in WINDOW_PLACES]
    return [[(tokens[part], frames[part]) for tokens, frames in lengths] for part in parts]


def contest_batches(config: Model, size: int, trimmed: bool) -> list[VideoBatch]:
    """Batches of a window of videos; the same videos whether trimmed or not."""
    return [video_batch(config, *video, trimmed) for (video,) in window(config, size, 1)]


def pair_batches(config: Model, size: int, trimmed: bool) -> list[PairBatch]:
    """Batches of a window of pairs; without trimming all videos are of full length, since a step trims what it can."""
    full = [(np.full(size, config.text.max_length), np.full(size, config.frames.max_frames))] * 2
    return [
        PairBatch(
            *(video_batch(config, *side, trimmed) for side in (sides if trimmed else full)), {"similarity": tf.fill([size], 0.5)}
        )
        for sides in window(config, size, 2)
    ]


def video_batch(config: Model, tokens: np.ndarray, frames: np.ndarray, trimmed: bool) -> VideoBatch:
    """Random videos of such lengths, 15 % of the tokens to be predicted."""
    rng = np.random.default_rng(0)
    text = max(tokens) if trimmed and config.trims_text else config.text.max_length
    length = max(frames) if trimmed and config.trims_frames else config.frames.max_frames
    tokens = np.minimum(tokens, config.text.max_length)
    real = np.arange(config.text.max_length) < tokens[:, None]
    ids = np.where(real, rng.integers(1000, VOCABULARY, real.shape), 0).astype("int32")
    chosen = real & (rng.random(real.shape) < 0.15)
    values = rng.standard_normal((len(tokens), config.frames.max_frames, config.frames.dim)).astype("float16")
    place = np.minimum(np.arange(config.frames.max_frames), frames[:, None] - 1)
    values = np.take_along_axis(values, place[:, :, None], axis=1)
    if config.frames.padding == "zeros":
        values[np.arange(config.frames.max_frames) >= frames[:, None]] = 0
    tags = rng.random((len(tokens), config.num_tags)) < 5 / config.num_tags
    return VideoBatch(
        ids=tf.constant([str(i) for i in range(len(tokens))]),
        input_ids=tf.constant(ids[:, :text]),
        attention_mask=tf.constant(real[:, :text].astype("int32")),
        frames=tf.constant(values[:, :length]),
        num_frames=tf.constant(np.minimum(frames, config.frames.max_frames), tf.int32),
        targets={
            "tags": tf.constant(tags.astype("int8")),
            "tokens": tf.constant(np.where(chosen, ids, IGNORED_TOKEN).astype("int32")[:, :text]),
        },
    )


def contest_records(folder: Path, pointwise: int, pairwise: int, frame_embedding_size: int = 1536, seed: int = 0) -> Path:
    """A demo data set in the contest's format with so many videos for pre-training, and so many in as many pairs."""
    from vsim_tf.demo.data import write_demo_data

    write_demo_data(
        str(folder), num_pointwise=pointwise, num_pairwise_videos=pairwise, num_pairs=pairwise, num_test_videos=64,
        num_test_pairs=64, frame_embedding_size=frame_embedding_size, seed=seed,
    )  # fmt: skip
    return folder
