"""An MLM head from a Hugging Face folder: PyTorch's and TensorFlow's names, tied and untied, all of it or nothing."""

import re

import numpy as np
import pytest
from safetensors.numpy import save_file
from toy_hub import UNPOOLED_NAMES, assert_filled, built_encoder, save_shards, torch_tensors, write_h5

from vsim_tf.errors import UserError
from vsim_tf.layers.heads import MaskedLanguageModelHead
from vsim_tf.models.hub_weights import NO_HEAD, load_pretrained

TRANSFORM = {  # PyTorch name: (name in MaskedLanguageModelHead.named_weights, transposed)
    "cls.predictions.transform.dense.weight": ("cls/predictions/transform/dense/kernel", True),
    "cls.predictions.transform.dense.bias": ("cls/predictions/transform/dense/bias", False),
    "cls.predictions.transform.LayerNorm.weight": ("cls/predictions/transform/LayerNorm/gamma", False),
    "cls.predictions.transform.LayerNorm.bias": ("cls/predictions/transform/LayerNorm/beta", False),
    "cls.predictions.bias": ("cls/predictions/bias", False),
}
DECODER = {"cls.predictions.decoder.weight": ("cls/predictions/decoder/kernel", True)}
WORDS = "embeddings.word_embeddings.weight"
NEXT_SENTENCE = {"cls.seq_relationship.weight": np.ones((2, 8), "float32"), "cls.seq_relationship.bias": np.ones(2, "float32")}
POOLER = {"pooler.dense.weight": np.ones((8, 8), "float32"), "pooler.dense.bias": np.ones(8, "float32")}


@pytest.fixture
def encoder():
    return built_encoder(pooler=False)


def built_head(encoder, tied=False) -> MaskedLanguageModelHead:
    head = MaskedLanguageModelHead(encoder.config, tied=tied)
    head.build((None, 8))
    return head


@pytest.fixture
def head(encoder):
    return built_head(encoder)


def in_pretraining(tensors):
    """The names of BertForPreTraining, which has all heads."""
    return {name if name.startswith("cls.") else f"bert.{name}": value for name, value in tensors.items()}


@pytest.fixture
def tensors(encoder, head):
    return torch_tensors(encoder, UNPOOLED_NAMES) | torch_tensors(head, TRANSFORM | DECODER)


@pytest.mark.parametrize("save", [lambda tensors, folder: save_file(tensors, folder / "model.safetensors"), None])
def test_safetensors_of_all_heads(tmp_path, encoder, head, tensors, save):
    """As `hfl/chinese-roberta-wwm-ext-large` has them; the decoder is not the token embeddings."""
    (save or (lambda tensors, folder: save_shards(folder, tensors)))(in_pretraining(tensors | NEXT_SENTENCE | POOLER), tmp_path)
    report = load_pretrained(encoder, tmp_path, head)
    assert_filled(encoder, tensors, UNPOOLED_NAMES)
    assert_filled(head, tensors, TRANSFORM | DECODER)
    assert sorted(report.filled) == sorted([*encoder.named_weights(), *head.named_weights()])
    assert sorted(report.ignored) == ["bert.pooler.dense.bias", "bert.pooler.dense.weight", *sorted(NEXT_SENTENCE)]


def test_without_a_head_to_fill_the_files_is_ignored(tmp_path, encoder, tensors):
    save_file(in_pretraining(tensors), tmp_path / "model.safetensors")
    report = load_pretrained(encoder, tmp_path)
    assert sorted(report.ignored) == sorted(TRANSFORM | DECODER)
    assert_filled(encoder, tensors, UNPOOLED_NAMES)


def test_token_embeddings_are_the_decoder_of_a_file_without_one(tmp_path, encoder, head, tensors):
    """`save_pretrained` writes a tied matrix once."""
    del tensors["cls.predictions.decoder.weight"]
    save_file(in_pretraining(tensors), tmp_path / "model.safetensors")
    load_pretrained(encoder, tmp_path, head)
    assert_filled(head, tensors | {"cls.predictions.decoder.weight": tensors[WORDS]}, TRANSFORM | DECODER)


@pytest.mark.parametrize("both", [False, True])
def test_the_bias_has_two_names_in_pytorch(tmp_path, encoder, head, tensors, both):
    saved = in_pretraining(tensors) | {"cls.predictions.decoder.bias": tensors["cls.predictions.bias"].copy()}
    if not both:
        del saved["cls.predictions.bias"]
    save_file(saved, tmp_path / "model.safetensors")
    report = load_pretrained(encoder, tmp_path, head)
    assert_filled(head, tensors, TRANSFORM | DECODER)
    assert len(report.ignored) == both


def test_names_of_2019(tmp_path, encoder, head, tensors):
    saved = {re.sub(r"Norm\.weight", "Norm.gamma", name): value for name, value in in_pretraining(tensors).items()}
    saved = {re.sub(r"Norm\.bias", "Norm.beta", name): value for name, value in saved.items()}
    save_file(saved, tmp_path / "model.safetensors")
    load_pretrained(encoder, tmp_path, head)
    assert_filled(head, tensors, TRANSFORM | DECODER)


@pytest.mark.parametrize("model", ["tf_bert_for_masked_lm", "tf_bert_for_pre_training"])
def test_h5_ties_the_decoder_to_the_token_embeddings(tmp_path, encoder, head, tensors, model):
    """The names of `TFBertForMaskedLM` and `TFBertForPreTraining`, which write the embeddings once more under the head."""
    in_file = {name: tensors[name].T if turned else tensors[name] for name, (_, turned) in TRANSFORM.items()}
    extra = [(f"mlm___cls/{model}/mlm___{ours}:0", in_file[name]) for name, (ours, _) in TRANSFORM.items()]
    extra.append((f"mlm___cls/{model}/bert/embeddings/word_embeddings/weight:0", tensors[WORDS]))
    extra.append((f"nsp___cls/{model}/nsp___cls/seq_relationship/kernel:0", np.ones((8, 2), "float32")))
    write_h5(tmp_path / "tf_model.h5", tensors, UNPOOLED_NAMES, model, extra)
    report = load_pretrained(encoder, tmp_path, head)
    assert_filled(encoder, tensors, UNPOOLED_NAMES)
    assert_filled(head, tensors | {"cls.predictions.decoder.weight": tensors[WORDS]}, TRANSFORM | DECODER)
    assert len(report.ignored) == 2


def test_a_tied_head_needs_a_decoder_that_is_the_token_embeddings(tmp_path, encoder, tensors):
    tied = built_head(encoder, tied=True)
    save_file(in_pretraining(tensors), tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"tensors without a place, 1: cls.predictions.decoder.weight$"):
        load_pretrained(encoder, tmp_path, tied)
    save_file(in_pretraining(tensors | {"cls.predictions.decoder.weight": tensors[WORDS].copy()}), tmp_path / "model.safetensors")
    load_pretrained(encoder, tmp_path, tied)
    assert_filled(tied, tensors, TRANSFORM)


def test_a_file_without_a_head_is_refused_with_the_way_out(tmp_path, encoder, head):
    before = encoder.named_weights()["embeddings/word_embeddings/weight"].read()
    save_file(torch_tensors(encoder, UNPOOLED_NAMES), tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"weights missing in the file, 5: cls/predictions/bias, .*") as error:
        load_pretrained(encoder, tmp_path, head)
    assert str(error.value).endswith(NO_HEAD)
    np.testing.assert_array_equal(encoder.named_weights()["embeddings/word_embeddings/weight"].read(), before)


def test_a_head_that_does_not_fit_is_named_and_nothing_is_set(tmp_path, encoder, head, tensors):
    before = {name: weight.read() for each in (encoder, head) for name, weight in each.named_weights().items()}
    del tensors["cls.predictions.transform.LayerNorm.bias"]
    tensors["cls.predictions.decoder.weight"] = np.zeros((12, 8), "float32")
    tensors["cls.predictions.other.weight"] = np.zeros((2, 2), "float32")
    save_file(in_pretraining(tensors), tmp_path / "model.safetensors")
    with pytest.raises(UserError) as error:
        load_pretrained(encoder, tmp_path, head)
    message = str(error.value)
    assert "weights missing in the file, 1: cls/predictions/transform/LayerNorm/beta" in message
    assert "without a place, 1: cls.predictions.other.weight" in message
    assert "cls.predictions.decoder.weight (8, 12) instead of (8, 11)" in message
    for each in (encoder, head):
        for name, weight in each.named_weights().items():
            np.testing.assert_array_equal(weight.read(), before[name])
