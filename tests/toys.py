"""The smallest models, records and batches that still have everything in them."""

import functools

import numpy as np
import tensorflow as tf

from vsim_tf.input.pipeline import BatchFormat, numbered_batches
from vsim_tf.models.architectures import Model
from vsim_tf.models.build import build_network
from vsim_tf.models.network import VideoNetwork
from vsim_tf.presets import recipes, registry
from vsim_tf.presets.preset import Classifier, Preset, Pretraining
from vsim_tf.presets.sizes import sized
from vsim_tf.records import tfrecords as records
from vsim_tf.records.schema import IGNORED_TOKEN, PairBatch, VideoBatch
from vsim_tf.records.videos import pair_record, video_record
from vsim_tf.runs.stage import Stage
from vsim_tf.tasks.task import Task
from vsim_tf.text.tokenizers import SPECIAL_TOKENS, Tokenizer, WordTokenizer

DIM, TEXT, FRAMES = 6, 8, 4
TAGS = np.array([3, 10, 11, 700, 5000])
CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往"
VOCABULARY = [*SPECIAL_TOKENS, *CHARACTERS, "宇宙", "日月"]
TOKENIZERS = {"bert": Tokenizer(VOCABULARY), "roformer": WordTokenizer(VOCABULARY)}
RANK_4 = tuple(make.__name__ for make in registry.SYSTEMS["aiac2021_rank4"])
JOBS = ("qq_job1", "qq_job2", "qq_job4")
"""Of the 1st place: they differ in layout, tag head and pooling, and each other job has the network of one of them."""
MODELS = (*RANK_4, *JOBS)
QUICK_MODELS = ("mix_nextvlad", "uniter_roformer", "qq_job4")
"""One of each network, with both text encoders: what takes long is done with these, and with the others among the slow tests."""
RANK_8 = ("wbdc_single", "wbdc_clip", "wbdc_1", "wbdc_3")
"""Of short videos: models 2 and 4 differ from model 1 in what they start from, and in how gradients are made."""
CLASSES = 5


def registered(name: str) -> Preset | Pretraining | Classifier:
    """The entry that is registered under a name."""
    return next(known[name]() for known in (registry.MODELS, registry.PRETRAININGS, registry.CLASSIFIERS) if name in known)


def tasks(name: str, kind: str) -> dict[str, Task]:
    """Tasks of a registered model's stage "pretrain" or "finetune", or of its only "stage"."""
    return getattr(registered(name), kind).tasks


def model(name: str, changes=None, dropout: float | None = None, recipe: str = "2021", **overrides) -> Model:
    """A registered model at `debug` size, with values changed by path, and another dropout everywhere if one is given."""
    known, of_tags = registered(name).model, name not in registry.PRETRAININGS | registry.CLASSIFIERS
    known = sized(known, "debug").fitted(len(VOCABULARY), len(TAGS) if of_tags else 0)
    values = {"frames.max_frames": FRAMES, "text.max_length": TEXT, "num_experts": 2, "recipe": recipe}
    values |= {} if known.tower else {"frames.dim": DIM}
    values |= {"num_classes": CLASSES} if name in registry.CLASSIFIERS else {}
    if dropout is not None:
        values |= {"encoder.hidden_dropout": dropout, "encoder.attention_dropout": dropout, "dropout": dropout}
    known = known.replace({path: value for path, value in values.items() if known.has(path)})
    return recipes.recipe(recipe).model(known.replace((changes or {}) | overrides))


@functools.cache
def network(name: str, kind: str = "finetune") -> VideoNetwork:
    """A network with the heads of a stage, for tests that only read its weights."""
    return build_network(model(name), tasks(name, kind).values())


def batch_format(kind: str = "bert") -> BatchFormat:
    return BatchFormat(TOKENIZERS[kind], TAGS, TEXT, FRAMES, DIM)


def evaluation_batches(files, kind: str, form: BatchFormat, size: int, shard: tuple[int, int] = (0, 1)):
    """All records once, or a shard of their batches, without their numbers."""
    return numbered_batches(files, kind, form, size, shard).map(lambda _, batch: batch)


def stage(
    total_steps: int = 6, of: tuple[str, str] = ("uniter", "finetune"), rate: float = 1e-3, changes=None, **fields
) -> Stage:
    """A short training stage of a model and kind: constant rates from the first step on."""
    full = getattr(registered(of[0]), of[1])
    constant = {"type": "linear", "peak": rate, "warmup": 0, "horizon": 10_000}
    schedules = {f"groups.{name}.schedule": constant for name in full.groups}
    values = {"batch_size": 4, "val_batch_size": 4, "eval_every": 3, "log_every": 2, "precision": "float32"}
    return full.replace(schedules | (changes or {}), **values | {"total_steps": total_steps, "bucket_by_length": True} | fields)


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


def random_batch(config: Model, size: int = 4, seed: int = 0) -> VideoBatch:
    """Videos of all lengths, a quarter of whose tokens are to be predicted; the first has no frames, the last an empty title.

    Where frames are padded with zeros, some of the frames are to be predicted too, and half of the titles to be matched.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, config.text.max_length + 1, size)
    num_frames = rng.integers(1, config.frames.max_frames + 1, size)
    lengths[-1], num_frames[0] = 2, 0
    mask = (np.arange(config.text.max_length) < lengths[:, None]).astype("int32")
    ids = rng.integers(len(SPECIAL_TOKENS), config.encoder.vocab_size, mask.shape).astype("int32") * mask
    frames = rng.standard_normal((size, config.frames.max_frames, config.frames.dim)).astype("float16")
    frames = np.take_along_axis(
        frames, np.minimum(np.arange(config.frames.max_frames), num_frames[:, None] - 1)[..., None], axis=1
    )
    frames[num_frames == 0] = 0
    chosen = (rng.random(mask.shape) < 0.25) & (mask == 1)
    chosen[:, 0] = False  # [CLS]
    hidden = masked_frames(frames, num_frames) if config.frames.padding == "zeros" else {}
    arrays = VideoBatch(
        ids=np.array([f"v{i}".encode() for i in range(size)]),
        input_ids=np.where(chosen, TOKENIZERS["bert"].mask_id, ids).astype("int32"),
        attention_mask=mask,
        frames=frames,
        num_frames=num_frames.astype("int32"),
        targets=hidden | {
            "tags": (rng.random((size, config.num_tags)) < 0.4).astype("int8"),
            "tokens": np.where(chosen, ids, IGNORED_TOKEN).astype("int32"),
        },
    )  # fmt: skip
    return tf.nest.map_structure(tf.constant, arrays)


def masked_frames(frames: np.ndarray, num_frames: np.ndarray) -> dict[str, np.ndarray]:
    """Zeros the padding and the last of each video's frames in place, and returns the targets that belong to it."""
    slot = np.arange(frames.shape[1])
    frames[slot >= num_frames[:, None]] = 0
    whole, masked = frames.copy(), slot == num_frames[:, None] - 1
    frames[masked] = 0
    return {"frames": whole, "masked_frames": masked, "matching": np.float32(np.arange(len(frames)) % 2)}


def random_pair_batch(config: Model, size: int = 4, seed: int = 0) -> PairBatch:
    similarity = tf.constant(np.random.default_rng(seed).random(size), tf.float32)
    return PairBatch(random_batch(config, size, 2 * seed), random_batch(config, size, 2 * seed + 1), {"similarity": similarity})


def sampled_in_2021(n: int, limit: int) -> list[int]:
    """Frame numbers: all and the last again while they are too few, else the middle of each stride."""
    if n < limit:
        return list(range(n)) + [n - 1] * (limit - n)
    stride = n // limit
    return [frame for frame in range(n) if frame % stride == stride // 2][:limit]
