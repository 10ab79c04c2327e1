"""Filling an encoder from a Hugging Face folder: names, files, and everything that must be refused."""

import contextlib
import json
import re
import struct

import h5py
import ml_dtypes
import numpy as np
import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from toy_hub import (
    BERT_NAMES,
    PROJECTED_NAMES,
    ROFORMER_NAMES,
    TORCH_NAMES,
    UNPOOLED_NAMES,
    assert_filled,
    built_encoder,
    save_shards,
    torch_tensors,
    write_h5,
)

from vsim_tf.errors import UserError
from vsim_tf.models.hub_weights import NO_POOLER, load_pretrained


@pytest.fixture
def encoder():
    return built_encoder()


@pytest.fixture
def tensors(encoder):
    return torch_tensors(encoder)


@pytest.fixture(scope="module")
def shared_encoder():
    return built_encoder()


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("norm", [("weight", "bias"), ("gamma", "beta")])
def test_safetensors_of_bert(tmp_path, encoder, tensors, prefix, norm):
    extra = {f"{prefix}embeddings.position_ids": np.arange(9)[None], "cls.predictions.bias": np.zeros(11, "float32")}
    norms = {"Norm.weight": f"Norm.{norm[0]}", "Norm.bias": f"Norm.{norm[1]}"}
    names = [prefix + re.sub(r"Norm\.\w+", lambda match: norms[match[0]], name) for name in tensors]
    save_file(dict(zip(names, tensors.values(), strict=True)) | extra, tmp_path / "model.safetensors")
    report = load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors)
    assert len(report.filled) == len(BERT_NAMES) and not report.kept
    assert sorted(report.ignored) == sorted(extra)
    assert str(report).startswith(f"{len(BERT_NAMES)} weights filled from {report.file}; ignored 2: ")


@pytest.mark.parametrize(("names", "sizes"), [(ROFORMER_NAMES, {}), (PROJECTED_NAMES, {"embedding_size": 6})])
def test_safetensors_of_roformer(tmp_path, names, sizes):
    encoder = built_encoder("roformer", **sizes)
    tensors = torch_tensors(encoder, names)
    save_file({f"roformer.{name}": value for name, value in tensors.items()}, tmp_path / "model.safetensors")
    load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors, names)


def test_sinusoids_are_computed_where_the_file_has_none(tmp_path):
    encoder = built_encoder("roformer")
    sinusoids = encoder.named_weights()["encoder/embed_positions/embeddings"].read()
    save_file(torch_tensors(encoder, TORCH_NAMES), tmp_path / "model.safetensors")
    report = load_pretrained(encoder, tmp_path)
    assert report.kept == ["encoder/embed_positions/embeddings"]
    np.testing.assert_array_equal(encoder.named_weights()[report.kept[0]].read(), sinusoids)
    np.testing.assert_allclose(sinusoids[3], [np.sin(3), np.sin(0.03), np.cos(3), np.cos(0.03)], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float64", ml_dtypes.bfloat16])
def test_other_floats_become_float32(tmp_path, encoder, dtype):
    tensors = torch_tensors(encoder, dtype=dtype)
    save_file({name: np.ascontiguousarray(v) for name, v in tensors.items()}, tmp_path / "model.safetensors")
    load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors)


def test_h5_of_a_plain_model_and_safetensors_beside_it_first(tmp_path, encoder, tensors):
    write_h5(tmp_path / "tf_model.h5", tensors)
    report = load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors)
    assert report.file == tmp_path / "tf_model.h5" and not report.ignored
    other = {name: value + 1 for name, value in tensors.items()}
    save_file(other, tmp_path / "model.safetensors")
    load_pretrained(encoder, tmp_path)
    assert_filled(encoder, other)


def test_h5_of_a_masked_language_model_repeats_the_word_table(tmp_path):
    encoder = built_encoder(pooler=False)
    tensors = torch_tensors(encoder, UNPOOLED_NAMES)
    head = "mlm___cls/tf_bert_for_masked_lm"
    extra = [
        (f"{head}/bert/embeddings/word_embeddings/weight:0", tensors["embeddings.word_embeddings.weight"]),
        (f"{head}/mlm___cls/predictions/transform/dense/kernel:0", np.ones((8, 8), "float32")),
    ]
    write_h5(tmp_path / "tf_model.h5", tensors, UNPOOLED_NAMES, model="tf_bert_for_masked_lm", extra=extra)
    report = load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors, UNPOOLED_NAMES)
    assert sorted(report.ignored) == sorted(name for name, _ in extra)


def test_h5_with_two_different_word_tables_is_refused(tmp_path, encoder, tensors):
    extra = [("mlm___cls/m/bert/embeddings/word_embeddings/weight:0", np.ones((11, 8), "float32"))]
    write_h5(tmp_path / "tf_model.h5", tensors, extra=extra)
    with pytest.raises(UserError, match=r"without a place, 1: (bert|mlm___cls)/"):
        load_pretrained(encoder, tmp_path)


def test_pooler_of_the_file_is_ignored_by_an_encoder_without_one(tmp_path):
    tensors = torch_tensors(built_encoder())
    save_file(tensors, tmp_path / "model.safetensors")
    report = load_pretrained(built_encoder(pooler=False), tmp_path)
    assert sorted(report.ignored) == ["pooler.dense.bias", "pooler.dense.weight"]


def test_a_missing_pooler_is_refused_with_the_way_out(tmp_path, encoder):
    """As of `add_pooling_layer=False`: MixNextVLAD reads the pooler, Uniter has none."""
    tensors = torch_tensors(encoder, UNPOOLED_NAMES)
    save_file(tensors, tmp_path / "model.safetensors")
    message = "file, 2: pooler/dense/kernel, pooler/dense/bias. This model reads BERT's pooler.* choose a model that reads none"
    with pytest.raises(UserError, match=message):
        load_pretrained(encoder, tmp_path)
    del tensors["embeddings.word_embeddings.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="file, 3: .*pooler/dense/bias$"):
        load_pretrained(encoder, tmp_path)


@pytest.mark.parametrize("name", ["uniter", "uniter_asl", "mix_nextvlad_roformer", "mix_nextvlad", "mix_nextvlad_asl"])
def test_models_named_by_the_error_read_no_pooler(name):
    reads = any(weight.startswith("pooler/") for weight in toys.network(name).encoder.named_weights())
    assert reads == (name not in re.findall(r"\w+", NO_POOLER.partition("reads none")[2]))


def test_shards_with_an_index(tmp_path, encoder, tensors):
    named = {f"bert.{name}": value for name, value in tensors.items()}
    save_shards(tmp_path, named | {"cls.predictions.bias": np.zeros(11, "float32")})
    report = load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors)
    assert report.file == tmp_path / "model.safetensors.index.json"
    assert report.ignored == ["cls.predictions.bias"]


def test_one_file_wins_over_shards(tmp_path, encoder, tensors):
    save_shards(tmp_path, {name: value + 1 for name, value in tensors.items()})
    save_file(tensors, tmp_path / "model.safetensors")
    load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors)


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/model.safetensors", "a/b.safetensors", "model.bin", "", 3, None])
def test_shards_outside_the_folder_are_refused(tmp_path, encoder, tensors, shard):
    _, index = save_shards(tmp_path, tensors)
    save_file(tensors, tmp_path.parent / "model.safetensors")
    index["weight_map"]["pooler.dense.bias"] = shard
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"index.json: pooler.dense.bias is in .*; a name \*.safetensors of a file next to"):
        load_pretrained(encoder, tmp_path)


def test_index_and_shards_that_do_not_belong_together(tmp_path, encoder, tensors):
    names, index = save_shards(tmp_path, tensors)
    path = tmp_path / "model.safetensors.index.json"
    moved = index | {"weight_map": index["weight_map"] | {"pooler.dense.bias": names[0]}}
    path.write_text(json.dumps(moved))
    with pytest.raises(UserError, match=f"{names[0]}: belongs to another .*: not in this file are 1: pooler.dense.bias"):
        load_pretrained(encoder, tmp_path)
    path.write_text(json.dumps({"weight_map": {k: v for k, v in index["weight_map"].items() if k != "pooler.dense.bias"}}))
    with pytest.raises(UserError, match=f"{names[-1]}: belongs to another .*: not in the index are 1: pooler.dense.bias"):
        load_pretrained(encoder, tmp_path)
    path.write_text(json.dumps(index))
    (tmp_path / names[1]).unlink()
    with pytest.raises(UserError, match=rf"{names[1]}: model.safetensors.index.json names this file, .*: {names[0]}.*copy all"):
        load_pretrained(encoder, tmp_path)
    for content in ({}, {"weight_map": {}}, {"weight_map": [1]}):
        path.write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"index.json: no weight_map with the file of each tensor"):
            load_pretrained(encoder, tmp_path)


def test_what_does_not_fit_is_named_and_nothing_is_set(tmp_path, encoder, tensors):
    before = {name: weight.read() for name, weight in encoder.named_weights().items()}
    for key in [name for name in tensors if name.startswith("encoder.layer.1.")][:7]:
        del tensors[key]
    tensors |= {f"encoder.layer.2.x{i}.weight": np.zeros(1, "float32") for i in range(2)}
    tensors["classifier.weight"] = np.zeros(1, "float32")
    tensors["embeddings.word_embeddings.weight"] = np.zeros((12, 8), "float32")
    tensors["encoder.layer.0.intermediate.dense.weight"] = np.zeros((8, 12), "float32")
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(UserError) as error:
        load_pretrained(encoder, tmp_path)
    message = str(error.value)
    assert "model.safetensors does not fit this encoder: weights missing in the file, 7: " in message
    assert "encoder/layer_._1/attention/self/query/kernel" in message and message.count("layer_._1") == 5
    assert "without a place, 3: classifier.weight, encoder.layer.2.x0.weight, encoder.layer.2.x1.weight" in message
    assert "embeddings.word_embeddings.weight (12, 8) instead of (11, 8)" in message
    assert "encoder.layer.0.intermediate.dense.weight (12, 8) instead of (8, 12)" in message
    for name, weight in encoder.named_weights().items():
        np.testing.assert_array_equal(weight.read(), before[name])


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_a_pickle_is_refused_with_the_way_out(tmp_path, name):
    folder = tmp_path / "my model"
    folder.mkdir()
    (folder / name).write_bytes(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(UserError, match=r"a pickle.*cd '.*my model' && python -c \"import glob, torch, safetensors.torch"):
        load_pretrained(built_encoder(), folder)


def test_folders_without_weights(tmp_path):
    (tmp_path / "flax_model.msgpack").touch()
    with pytest.raises(UserError, match=r"no weights: .* holds 1: flax_model.msgpack; one of model.safeten.*save_pretrained"):
        load_pretrained(built_encoder(), tmp_path)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        load_pretrained(built_encoder(), tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.safetensors", "tf_model.h5"])
@pytest.mark.parametrize("keep", [0, 5, 300, -10, -3000])
def test_truncated_files_are_named(tmp_path, encoder, name, keep):
    (save_file if "safe" in name else lambda t, path: write_h5(path, t))(torch_tensors(encoder), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:keep])
    with pytest.raises(UserError, match=f"{name}: damaged"):
        load_pretrained(encoder, tmp_path)


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 2**16), byte=st.integers(0, 255))
def test_a_changed_header_byte_is_refused_or_harmless(tmp_path_factory, shared_encoder, place, byte):
    folder, encoder = tmp_path_factory.mktemp("changed"), shared_encoder
    save_file(torch_tensors(encoder), folder / "model.safetensors")
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[place % (8 + int.from_bytes(content[:8], "little"))] = byte
    (folder / "model.safetensors").write_bytes(content)
    with contextlib.suppress(UserError):
        assert len(load_pretrained(encoder, folder).filled) == len(BERT_NAMES)


@pytest.mark.parametrize(
    "header",
    [
        {"x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 50]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        {"x": {"dtype": "no", "shape": [1], "data_offsets": [0, 4]}},
        {"x": 1},
    ],
)
def test_headers_that_lie_are_named(tmp_path, header):
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(UserError, match=r"model\.safetensors: damaged"):
        load_pretrained(built_encoder(), tmp_path)


def test_h5_links_to_other_files_are_refused(tmp_path, encoder, tensors):
    name = "bert/tf_bert_model/bert/embeddings/word_embeddings/weight:0"
    write_h5(tmp_path / "other.h5", tensors)
    for link in (h5py.ExternalLink(tmp_path / "other.h5", name), h5py.SoftLink(f"/{name}")):
        write_h5(tmp_path / "tf_model.h5", tensors, extra=[("bert/link", link)])
        with pytest.raises(UserError, match=rf"tf_model\.h5: bert/link is a link \({type(link).__name__}\)"):
            load_pretrained(encoder, tmp_path)


def test_h5_data_in_other_files_is_refused(tmp_path, encoder):
    layout = h5py.VirtualLayout((11, 8), "float32")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret"), "x", (11, 8))
    for make in (
        lambda file: file.create_dataset("x", (11, 8), "float32", external=[(str(tmp_path / "secret"), 0, 352)]),
        lambda file: file.create_virtual_dataset("x", layout),
    ):
        write_h5(tmp_path / "tf_model.h5", torch_tensors(encoder))
        with h5py.File(tmp_path / "tf_model.h5", "a") as file:
            make(file)
        with pytest.raises(UserError, match="/x is stored in another file"):
            load_pretrained(encoder, tmp_path)


def test_h5_that_holds_itself_ends(tmp_path, encoder, tensors):
    write_h5(tmp_path / "tf_model.h5", tensors)
    with h5py.File(tmp_path / "tf_model.h5", "a") as file:
        file["bert/loop"] = file["bert"]
    load_pretrained(encoder, tmp_path)
    assert_filled(encoder, tensors)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((11, 8), "int64"), "word_embeddings.weight is I64; float16, bfloat16, float32, float64 are accepted"),
        (np.full((11, 8), np.nan, "float32"), "word_embeddings.weight holds values that are not finite"),
        (np.full((11, 8), 1e300), "word_embeddings.weight holds values that are not finite"),
    ],
)
def test_values_that_are_no_weights_are_refused(tmp_path, encoder, value, message):
    save_file(torch_tensors(encoder) | {"embeddings.word_embeddings.weight": value}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=message):
        load_pretrained(encoder, tmp_path)
