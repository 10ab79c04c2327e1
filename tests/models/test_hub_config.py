"""config.json of Hugging Face folders: encoders that it describes, and what is refused."""

import json

import pytest

from vsim_tf.errors import UserError
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.models.hub_weights import read_encoder_config


def hub_config(kind="bert", **changes):
    return {
        "model_type": kind, "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
        "intermediate_size": 96, "max_position_embeddings": 40, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
        "attention_probs_dropout_prob": 0.25, "pad_token_id": 0, **changes,
    }  # fmt: skip


KNOWN = {"vocab_size": 100, "hidden_size": 64, "num_layers": 3, "num_heads": 4, "intermediate_size": 96}


def test_config_of_bert(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(hub_config(embedding_size=7, position_embedding_type="absolute")))
    expected = EncoderConfig(kind="bert", **KNOWN, max_positions=40, attention_dropout=0.25, layer_norm_eps=1e-6)
    assert EncoderConfig(**read_encoder_config(tmp_path, "bert")) == expected


@pytest.mark.parametrize(
    ("changes", "embedding_size", "rotary_value"),
    [({}, 64, False), ({"embedding_size": None}, 64, False), ({"embedding_size": 32, "rotary_value": True}, 32, True)],
)
def test_config_of_roformer(tmp_path, changes, embedding_size, rotary_value):
    (tmp_path / "config.json").write_text(json.dumps(hub_config("roformer", **changes)))
    config = EncoderConfig(**read_encoder_config(tmp_path, "roformer"))
    assert (config.token_dim, config.rotary_value) == (embedding_size, rotary_value)


@pytest.mark.parametrize("kind", ["bert", "roformer"])
def test_config_that_transformers_5_saves(tmp_path, kind):
    import transformers

    cls = {"bert": transformers.BertConfig, "roformer": transformers.RoFormerConfig}[kind]
    saved = cls(vocab_size=100, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96)
    saved.save_pretrained(tmp_path)
    expected = EncoderConfig(
        kind=kind, **KNOWN, max_positions=saved.max_position_embeddings, type_vocab_size=saved.type_vocab_size
    )
    assert EncoderConfig(**read_encoder_config(tmp_path, kind)) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "config.json: cannot be read"),
        ("{'a': 1}", "config.json: not JSON"),
        ('"bert"', "config.json: a JSON object is needed, got str"),
        (hub_config("roformer"), "model_type is 'roformer', 'bert' is needed here"),
        ({}, "model_type is None, 'bert' is needed here"),
        ({"model_type": "bert", "vocab_size": 1}, "no key hidden_size, num_hidden_layers, num_attention_heads"),
        (hub_config(hidden_act="relu"), "hidden_act is 'relu', only 'gelu' is supported"),
        (hub_config(position_embedding_type="relative_key"), "is 'relative_key', only 'absolute'"),
        (hub_config(is_decoder=True), "is_decoder is True, only False"),
        (hub_config(hidden_size="64"), "hidden_size is '64'; an integer above 0"),
        (hub_config(num_hidden_layers=True), "num_hidden_layers is True; an integer above 0"),
        (hub_config(vocab_size=0), "vocab_size is 0; an integer above 0"),
        (hub_config(layer_norm_eps="1e-12"), "layer_norm_eps is '1e-12'; a number from 0 to 1"),
        (hub_config(hidden_dropout_prob=1.5), "hidden_dropout_prob is 1.5; a number from 0 to 1"),
        (hub_config(num_attention_heads=5), "config.json: hidden_size=64 and num_heads=5: the first must be a multiple"),
        (hub_config("roformer", rotary_value="false"), "rotary_value is 'false'; true or false"),
    ],
)
def test_configs_that_cannot_be_used(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_encoder_config(tmp_path, "roformer" if "rotary" in message else "bert")
