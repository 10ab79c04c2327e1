"""Configurations are checked where they are made, and survive JSON."""

import json
import math

import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.config import EncoderConfig, ModelConfig, Schedule, StageConfig
from vsim_tf.errors import UserError
from vsim_tf.presets.registry import MODELS

ENCODER = {"kind": "bert", "vocab_size": 10}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_survives_json(name):
    config = toys.model_config(name)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_stage_survives_json():
    stage = toys.stage(precision="mixed_bfloat16", kl_weight=0.25, clip_norm=1.5, labels="rank")
    assert StageConfig.from_dict(json.loads(json.dumps(stage.to_dict()))) == stage


def test_replace_keeps_what_is_none():
    schedule = Schedule(peak=1.0, warmup=2, horizon=9)
    assert schedule.replace(peak=0.5, warmup=None, horizon=None) == Schedule(peak=0.5, warmup=2, horizon=9)
    assert schedule.replace(warmup=0).warmup == 0


def test_unknown_and_missing_keys_are_named():
    with pytest.raises(UserError, match=r"Schedule: unknown keys \['colour'\], missing keys \['horizon', 'warmup'\]"):
        Schedule.from_dict({"peak": 1.0, "colour": 2})


def test_configurations_do_not_change():
    with pytest.raises(AttributeError):
        toys.stage().seed = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "gpt"}, "kind='gpt': 'bert' or 'roformer' is accepted"),
        ({"vocab_size": 0}, "vocab_size=0: a whole number above 0"),
        ({"num_layers": 1.5}, "num_layers=1.5: a whole number above 0"),
        ({"vocab_size": 10**30}, "vocab_size=1000000000"),
        ({"layer_norm_eps": math.nan}, "layer_norm_eps=nan"),
        ({"hidden_dropout": 1.0}, "hidden_dropout=1.0: a number from 0 up to"),
        ({"attention_dropout": -0.1}, "attention_dropout=-0.1"),
        ({"hidden_size": 10, "num_heads": 3}, "hidden_size=10 and num_heads=3: the first must be a multiple"),
        ({"kind": "roformer", "hidden_size": 6, "num_heads": 2}, "RoFormer needs an even head width"),
    ],
)
def test_impossible_encoders(changes, message):
    with pytest.raises(UserError, match=message):
        EncoderConfig(**ENCODER | changes)


def test_the_word_table_is_as_wide_as_the_encoder_unless_said():
    assert EncoderConfig(**ENCODER, hidden_size=24).embedding_size == 24
    assert EncoderConfig(**ENCODER, hidden_size=24, embedding_size=7).embedding_size == 7


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("uniter", {"embedding_size": 257}, "embedding_size=257: at most 256"),
        ("uniter", {"max_frames": 0}, "max_frames=0: a whole number above 0"),
        ("uniter", {"max_text_length": 1}, "max_text_length=1: at least 2"),
        ("uniter", {"dropout": 1}, "dropout=1: a number from 0"),
        ("uniter", {"tag_loss": "mse"}, "tag_loss='mse': 'bce' or 'asl'"),
        ("uniter", {"pooling": "pooler"}, "pooling='pooler': uniter accepts mean, cls, max"),
        ("mix_nextvlad", {"pooling": "mean"}, "pooling='mean': mix_nextvlad accepts pooler, max"),
        ("uniter", {"architecture": "lstm"}, "architecture='lstm': one of"),
        ("mix_nextvlad", {"vlad_groups": 5}, "vlad_groups=5: must divide the expanded frame width 12"),
        ("mix_nextvlad", {"se_ratio": 9}, "se_ratio=9: at most embedding_size=8"),
        ("uniter", {"max_text_length": 129}, "max_text_length=129: 129 positions, and the encoder has 128"),
        ("uniter_roformer", {"max_text_length": 125}, "max_text_length=125 and max_frames=4: 129 positions, and the"),
    ],
)
def test_impossible_models(name, changes, message):
    with pytest.raises(UserError, match=message):
        toys.model_config(name, **changes)


def test_frames_need_no_position_in_bert():
    assert toys.model_config("uniter", max_text_length=128).max_frames == toys.FRAMES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"eval_every": -1}, "eval_every=-1"),
        ({"kl_weight": -0.5}, "kl_weight=-0.5"),
        ({"kl_weight": math.inf}, "kl_weight=inf"),
        ({"kl_weight": math.nan}, "kl_weight=nan"),
        ({"clip_norm": -1.0}, "clip_norm=-1.0: a number from 0"),
        ({"clip_norm": math.nan}, "clip_norm=nan"),
        ({"labels": "order"}, "labels='order': one of scores, rank is accepted"),
        ({"seed": -1}, "seed=-1: a whole number from 0 to 2147483647"),
        ({"seed": 2**31}, "seed=2147483648"),
        ({"val_batch_size": 2**31}, "val_batch_size=2147483648"),
        ({"precision": "float16"}, "precision='float16': one of auto, float32, mixed_bfloat16"),
    ],
)
def test_impossible_stages(changes, message):
    with pytest.raises(UserError, match=message):
        toys.stage(**changes)


@pytest.mark.parametrize("values", [(math.nan, 0, 5), (math.inf, 0, 5), (-1e-9, 0, 5), (1.0, -1, 5), (1.0, 5, 5), (1.0, 6, 5)])
def test_impossible_schedules(values):
    with pytest.raises(UserError):
        Schedule(*values)


@given(peak=st.floats(0, 1), warmup=st.integers(0, 10**6), more=st.integers(1, 10**6))
def test_any_other_schedule_is_legal(peak, warmup, more):
    schedule = Schedule(peak, warmup, warmup + more)
    assert Schedule.from_dict(schedule.to_dict()) == schedule


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(num_tags="5"), "ModelConfig: num_tags is '5'"),
        (lambda v: v.update(num_tags=True), "ModelConfig: num_tags is True"),
        (lambda v: v.update(dropout="0.1"), "ModelConfig: dropout is '0.1'"),
        (lambda v: v.update(name=None), "ModelConfig: name is None"),
        (lambda v: v.update(pretrain_losses=[]), r"ModelConfig: pretrain_losses is \[\]"),
        (lambda v: v.update(pretrain_losses={"tag": "1"}), "ModelConfig: pretrain_losses is {'tag': '1'}"),
        (lambda v: v.update(encoder=3), "ModelConfig: encoder is 3"),
        (lambda v: v["encoder"].update(layer_norm_eps=None), "EncoderConfig: layer_norm_eps is None"),
        (lambda v: v["encoder"].update(rotary_value=0), "EncoderConfig: rotary_value is 0"),
    ],
)
def test_a_value_of_another_type_is_named(change, message):
    values = toys.model_config("uniter").to_dict()
    change(values)
    with pytest.raises(UserError, match=message):
        ModelConfig.from_dict(values)
