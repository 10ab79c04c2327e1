"""Hugging Face folders of the smallest encoders: their names, weights and files."""

import json

import h5py
import numpy as np
from safetensors.numpy import save_file

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.transformer import TransformerEncoder

TOY = {"vocab_size": 11, "hidden_size": 8, "num_layers": 2, "num_heads": 2, "intermediate_size": 12, "max_positions": 9}
TORCH_NAMES = {  # PyTorch name: (name in TransformerEncoder.named_weights, transposed)
    "embeddings.word_embeddings.weight": ("embeddings/word_embeddings/weight", False),
    "embeddings.token_type_embeddings.weight": ("embeddings/token_type_embeddings/embeddings", False),
    "embeddings.LayerNorm.weight": ("embeddings/LayerNorm/gamma", False),
    "embeddings.LayerNorm.bias": ("embeddings/LayerNorm/beta", False),
}
DENSE = [f"attention.self.{part}" for part in ("query", "key", "value")]
DENSE += ["attention.output.dense", "intermediate.dense", "output.dense"]
for i in range(2):
    for part in (*DENSE, "attention.output.LayerNorm", "output.LayerNorm"):
        weight, bias = ("kernel", "bias") if part in DENSE else ("gamma", "beta")
        ours = f"encoder/layer_._{i}/{part.replace('.', '/')}"
        TORCH_NAMES[f"encoder.layer.{i}.{part}.weight"] = (f"{ours}/{weight}", part in DENSE)
        TORCH_NAMES[f"encoder.layer.{i}.{part}.bias"] = (f"{ours}/{bias}", False)
POOLER = {"pooler.dense.weight": ("pooler/dense/kernel", True), "pooler.dense.bias": ("pooler/dense/bias", False)}
POSITIONS = {"embeddings.position_embeddings.weight": ("embeddings/position_embeddings/embeddings", False)}
UNPOOLED_NAMES, BERT_NAMES = TORCH_NAMES | POSITIONS, TORCH_NAMES | POSITIONS | POOLER
ROFORMER_NAMES = TORCH_NAMES | {"encoder.embed_positions.weight": ("encoder/embed_positions/embeddings", False)}
PROJECTED_NAMES = ROFORMER_NAMES | {
    "embeddings_project.weight": ("embeddings_project/kernel", True),
    "embeddings_project.bias": ("embeddings_project/bias", False),
}


def built_encoder(kind: str = "bert", pooler: bool = True, **sizes) -> TransformerEncoder:
    config = EncoderConfig(kind=kind, **{**TOY, **sizes})
    encoder = TransformerEncoder(config, pooler=pooler and kind == "bert")
    encoder.build(None)
    return encoder


def torch_tensors(encoder: TransformerEncoder, names=BERT_NAMES, dtype="float32") -> dict[str, np.ndarray]:
    """Random weights of the encoder's shapes under PyTorch's names and in its layout."""
    rng, weights = np.random.default_rng(7), encoder.named_weights()
    shapes = {name: weights[ours].shape[:: -1 if transposed else 1] for name, (ours, transposed) in names.items()}
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def assert_filled(encoder, tensors, names=BERT_NAMES):
    weights = encoder.named_weights()
    assert set(weights) == {ours for ours, _ in names.values()}
    for name, (ours, transposed) in names.items():
        expected = tensors[name].T if transposed else tensors[name]
        np.testing.assert_array_equal(weights[ours].read(), expected.astype("float32"), err_msg=ours)


def write_h5(path, tensors, names=BERT_NAMES, model="tf_bert_model", extra=()):
    """The layout of transformers' TensorFlow models: /bert/model/bert/name:0, kernels [in, out]."""
    hub = [(f"bert/{model}/bert/{ours}:0", tensors[n].T if turn else tensors[n]) for n, (ours, turn) in names.items()]
    with h5py.File(path, "w") as file:
        for name, value in (*hub, *extra):
            file[name] = value


def save_shards(folder, tensors, per_shard=20):
    """The files that `save_pretrained(max_shard_size=...)` of transformers writes."""
    parts = [dict(list(tensors.items())[i : i + per_shard]) for i in range(0, len(tensors), per_shard)]
    names = [f"model-{i:05d}-of-{len(parts):05d}.safetensors" for i in range(1, len(parts) + 1)]
    for name, part in zip(names, parts, strict=True):
        save_file(part, folder / name, metadata={"format": "pt"})
    places = {tensor: name for name, part in zip(names, parts, strict=True) for tensor in part}
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return names, index
