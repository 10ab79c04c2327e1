"""The smallest models, records and batches that still have everything in them."""

import functools

import numpy as np
import tensorflow as tf

from vsim_tf.config import ModelConfig, Schedule, StageConfig
from vsim_tf.input.pipeline import BatchFormat, numbered_batches
from vsim_tf.models.build import build_model
from vsim_tf.models.video_model import VideoModel
from vsim_tf.presets import registry
from vsim_tf.records import tfrecords as records
from vsim_tf.records.schema import IGNORED_TOKEN, PairBatch, VideoBatch
from vsim_tf.records.videos import pair_record, video_record
from vsim_tf.text.tokenizers import SPECIAL_TOKENS, Tokenizer, WordTokenizer

DIM, TEXT, FRAMES = 6, 8, 4
TAGS = np.array([3, 10, 11, 700, 5000])
CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往"
VOCABULARY = [*SPECIAL_TOKENS, *CHARACTERS, "宇宙", "日月"]
TOKENIZERS = {"bert": Tokenizer(VOCABULARY), "roformer": WordTokenizer(VOCABULARY)}


def model_config(name: str, dropout: float | None = None, **overrides) -> ModelConfig:
    """A registered model at `testing` size, with another dropout everywhere if one is given."""
    spec = registry.model_spec(name)
    encoder = registry.encoder_config(spec, "testing", len(VOCABULARY))
    if dropout is not None:
        encoder = encoder.replace(hidden_dropout=dropout, attention_dropout=dropout)
        overrides["dropout"] = dropout
    sizes = {"frame_embedding_size": DIM, "max_frames": FRAMES, "max_text_length": TEXT, "num_experts": 2}
    return registry.model_config(spec, "testing", encoder, len(TAGS), **sizes | overrides)


@functools.cache
def model(name: str, pretraining: bool = False) -> VideoModel:
    """A model for tests that only read its weights."""
    return build_model(model_config(name), pretraining=pretraining)


def batch_format(kind: str = "bert") -> BatchFormat:
    return BatchFormat(TOKENIZERS[kind], TAGS, TEXT, FRAMES, DIM)


def evaluation_batches(files, kind: str, form: BatchFormat, size: int, shard: tuple[int, int] = (0, 1)):
    """All records once, or a shard of their batches, without their numbers."""
    return numbered_batches(files, kind, form, size, shard).map(lambda _, batch: batch)


def stage(total_steps: int = 6, **changes) -> StageConfig:
    """A short training stage: constant rates of 1e-3 from the first step on."""
    schedule = Schedule(peak=1e-3, warmup=0, horizon=10_000)
    values = {
        "batch_size": 4, "val_batch_size": 4, "eval_every": 3, "log_every": 2,
        "encoder_schedule": schedule, "head_schedule": schedule, "precision": "float32",
    }  # fmt: skip
    return StageConfig(**values | {"total_steps": total_steps} | changes)


def random_title(rng: np.random.Generator, longest: int = 10) -> str:
    return "".join(rng.choice(list(CHARACTERS), rng.integers(0, longest + 1)))


def random_video(video_id: str, rng: np.random.Generator) -> bytes:
    """A record with 0 to 7 frames, 0 to 10 characters and 0 to 3 tags, one of them unknown."""
    frames = rng.standard_normal((rng.integers(0, 8), DIM)).astype(np.float16)
    tags = rng.choice([*TAGS, 4], rng.integers(0, 4), replace=False).tolist()
    return video_record(video_id, random_title(rng), frames, tags=tags)


def random_videos(count: int, seed: int = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [random_video(f"v{number}", rng) for number in range(count)]


def random_pairs(count: int, seed: int = 0) -> list[bytes]:
    videos = random_videos(2 * count, seed)
    scores = np.random.default_rng(seed).choice(np.arange(21) / 20, count)
    return [pair_record(a, b, score) for a, b, score in zip(videos[::2], videos[1::2], scores, strict=True)]


def write_records(path, contents) -> str:
    records.write_records(path, contents)
    return str(path)


def random_batch(config: ModelConfig, size: int = 4, seed: int = 0) -> VideoBatch:
    """Videos of all lengths, a quarter of whose words are to be predicted; the first has no frames, the last an empty title."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, config.max_text_length + 1, size)
    num_frames = rng.integers(1, config.max_frames + 1, size)
    lengths[-1], num_frames[0] = 2, 0
    mask = (np.arange(config.max_text_length) < lengths[:, None]).astype("int32")
    ids = rng.integers(len(SPECIAL_TOKENS), config.encoder.vocab_size, mask.shape).astype("int32") * mask
    frames = rng.standard_normal((size, config.max_frames, config.frame_embedding_size)).astype("float16")
    frames = np.take_along_axis(frames, np.minimum(np.arange(config.max_frames), num_frames[:, None] - 1)[..., None], axis=1)
    frames[num_frames == 0] = 0
    chosen = (rng.random(mask.shape) < 0.25) & (mask == 1)
    arrays = VideoBatch(
        ids=np.array([f"v{i}".encode() for i in range(size)]),
        input_ids=np.where(chosen, TOKENIZERS["bert"].mask_id, ids).astype("int32"),
        attention_mask=mask,
        frames=frames,
        num_frames=num_frames.astype("int32"),
        tags=(rng.random((size, config.num_tags)) < 0.4).astype("int8"),
        mlm_labels=np.where(chosen, ids, IGNORED_TOKEN).astype("int32"),
    )
    return tf.nest.map_structure(tf.constant, arrays)


def random_pair_batch(config: ModelConfig, size: int = 4, seed: int = 0) -> PairBatch:
    similarity = tf.constant(np.random.default_rng(seed).random(size), tf.float32)
    return PairBatch(random_batch(config, size, 2 * seed), random_batch(config, size, 2 * seed + 1), similarity)


def sampled_in_2021(n: int, limit: int) -> list[int]:
    """Frame numbers: all and the last again while they are too few, else the middle of each stride."""
    if n < limit:
        return list(range(n)) + [n - 1] * (limit - n)
    stride = n // limit
    return [frame for frame in range(n) if frame % stride == stride // 2][:limit]
