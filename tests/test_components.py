"""Components are checked where they are made, survive JSON, and are changed by path."""

import json
import math

import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.components import Component, parse_value
from vsim_tf.errors import UserError
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.models.architectures import Model
from vsim_tf.models.pooling import MaxPooling, MeanPooling, Pooling
from vsim_tf.optim.schedules import LinearSchedule, Schedule
from vsim_tf.presets.registry import MODELS, preset
from vsim_tf.runs.stage import Stage


def plain(component: Component):
    """What a reader of its JSON file has."""
    return json.loads(json.dumps(component.to_dict(), allow_nan=False))


@pytest.mark.parametrize("name", MODELS)
def test_models_and_stages_survive_json(name):
    made = preset(name)
    assert Model.from_dict(plain(made.model)) == made.model
    for stage in (made.pretrain, made.finetune):
        assert Stage.from_dict(plain(stage)) == stage
    changed = toys.stage(precision="mixed_bfloat16", clip_norm=1.5, labels="rank")
    assert Stage.from_dict(plain(changed)) == changed


def test_an_entry_names_its_type_and_a_plain_configuration_does_not():
    assert MeanPooling().to_dict() == {"type": "mean", "padding": True}
    assert "type" not in EncoderConfig(kind="bert").to_dict()
    assert Pooling.from_dict({"type": "max"}) == MaxPooling()


def test_a_family_has_the_entries_that_are_defined_anywhere():
    class Family(Component):
        size: int = 1

    class First(Family, name="first"):
        pass

    class Second(First, name="second"):
        other: float = 0.5

    assert Family.entries == {"first": First, "second": Second}
    assert Family.from_dict({"type": "second", "other": 2}) == Second(size=1, other=2)
    with pytest.raises(ValueError, match="the name 'first' is taken by First"):

        class Third(Family, name="first"):
            pass


def test_replace_keeps_what_is_none():
    schedule = LinearSchedule(peak=1.0, warmup=2, horizon=9)
    assert schedule.replace(peak=0.5, warmup=None, horizon=None) == LinearSchedule(peak=0.5, warmup=2, horizon=9)
    assert schedule.replace(warmup=0).warmup == 0


def test_a_path_changes_one_value_and_several_are_checked_together():
    stage = preset("uniter").pretrain
    changed = stage.replace(
        {"groups.head.schedule.warmup": 90_000, "groups.head.schedule.horizon": 100_000, "tasks.mlm.weight": 2}
    )
    assert changed.groups["head"].schedule == LinearSchedule(peak=5e-4, warmup=90_000, horizon=100_000)
    assert changed.tasks["mlm"].weight == 2
    assert changed.groups["encoder"] == stage.groups["encoder"]
    model = preset("uniter").model.replace({"pooling": "max", "pooling.padding": True})
    assert model.pooling == MaxPooling(padding=True)


@pytest.mark.parametrize(
    ("path", "value", "message", "field"),
    [
        ("poolin", "max", "there is no 'poolin' here; there are name, encoder, text", "poolin"),
        ("pooling.hidden", 3, "there is no 'hidden' here; there are padding", "pooling.hidden"),
        ("pooling", "median", "the value is 'median', Pooling is needed; accepted: mean, max, attention, cls, pooler", "pooling"),
        ("pooling", {"type": "median"}, "Pooling 'median': accepted are mean, max, attention, cls, pooler", "pooling.type"),
        ("embedding_size", "8", "the value is '8', an integer is needed", "embedding_size"),
        ("embedding_size", True, "the value is True, an integer is needed", "embedding_size"),
        ("embedding_size.x", 1, "there is nothing below this value, 256", "embedding_size.x"),
        ("text.max_length", 1, "max_length=1: at least 2 is needed", "text.max_length"),
        ("text.form", "triple", "form='triple': accepted are single, pair", "text.form"),
        (
            "text",
            {"form": "pair", "max_length": 2},
            r"max_length=2: at least 3 is needed \(\[CLS\], \[SEP\], \[SEP\]\)",
            "text.max_length",
        ),
        ("frames.sampling", "random", "sampling='random': accepted are strided, centred, stride_starts", "frames.sampling"),
        ("frames.padding", "first", "padding='first': accepted are last, zeros", "frames.padding"),
        ("encoder.num_heads", 5, "hidden_size=768 and num_heads=5: the first must be a multiple", "encoder.hidden_size"),
    ],
)
def test_what_a_path_may_not_be(path, value, message, field):
    with pytest.raises(UserError, match=message) as caught:
        preset("uniter").model.replace({path: value})
    assert caught.value.fields == (field,)


def test_a_path_through_a_dictionary_lists_what_is_there():
    with pytest.raises(UserError, match="there is no 'mse' here; there are tag, mlm") as caught:
        preset("uniter").pretrain.replace({"tasks.mse.weight": 1})
    assert caught.value.fields == ("tasks.mse",)


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("1e-3", 0.001), ("true", True), ("max", "max"), ('{"type": "cls"}', {"type": "cls"})]
)
def test_values_of_a_command_line(text, value):
    assert parse_value(text) == value


def test_unknown_and_missing_keys_are_named():
    with pytest.raises(UserError, match=r"Schedule 'linear': unknown keys \['colour'\], missing keys \['horizon', 'warmup'\]"):
        Schedule.from_dict({"type": "linear", "peak": 1.0, "colour": 2})


def test_configurations_do_not_change():
    with pytest.raises(AttributeError):
        toys.stage().seed = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "gpt"}, "kind='gpt': 'bert' or 'roformer' is accepted"),
        ({"num_layers": 0}, "num_layers=0: an integer above 0"),
        ({"num_layers": 1.5}, "num_layers=1.5: an integer above 0"),
        ({"num_layers": 10**30}, "num_layers=1000000000"),
        ({"vocab_size": -1}, "vocab_size=-1"),
        ({"layer_norm_eps": math.nan}, "layer_norm_eps=nan"),
        ({"hidden_dropout": 1.0}, "hidden_dropout=1.0: a number from 0 up to"),
        ({"attention_dropout": -0.1}, "attention_dropout=-0.1"),
        ({"hidden_size": 10, "num_heads": 3}, "hidden_size=10 and num_heads=3: the first must be a multiple"),
        ({"kind": "roformer", "hidden_size": 6, "num_heads": 2}, "RoFormer needs an even head width"),
    ],
)
def test_impossible_encoders(changes, message):
    with pytest.raises(UserError, match=message):
        EncoderConfig(**{"kind": "bert", "vocab_size": 10} | changes)


def test_token_embeddings_have_the_encoders_dimension_unless_said():
    assert EncoderConfig(kind="bert", hidden_size=24).token_dim == 24
    assert EncoderConfig(kind="bert", hidden_size=24, embedding_size=7).token_dim == 7


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("uniter", {"embedding_size": 257}, "embedding_size=257: at most 256"),
        ("uniter", {"frames.max_frames": 0}, "max_frames=0: an integer above 0"),
        ("uniter", {"text.max_length": 1}, "max_length=1: at least 2"),
        ("uniter", {"dropout": 0.5}, "there is no 'dropout' here"),
        ("uniter", {"pooling": "pooler"}, "pooling='pooler': pools the text encoder of MixNextVLAD"),
        (
            "qq_job2",
            {"pooling": "cls"},
            "pooling='cls' with layout='frames_first': it reads the first position, a frame",
        ),
        ("uniter", {"pack": True}, "pack=True with pooling='mean': it reads the padding"),
        ("mix_nextvlad", {"dropout": 1}, "dropout=1: a number from 0"),
        ("mix_nextvlad", {"groups": 5}, "groups=5: must divide the expanded frame dimension 12"),
        ("mix_nextvlad", {"se_ratio": 9}, "se_ratio=9: at most embedding_size=8"),
        ("uniter", {"text.max_length": 129}, "max_length=129: 129 positions, and the encoder has 128"),
        ("uniter_roformer", {"text.max_length": 125}, "max_length=125 and max_frames=4: 129 positions, and the"),
    ],
)
def test_impossible_models(name, changes, message):
    with pytest.raises(UserError, match=message):
        toys.model(name, changes)


def test_frames_need_no_position_in_bert():
    assert toys.model("uniter", {"text.max_length": 128}).frames.max_frames == toys.FRAMES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"eval_every": -1}, "eval_every=-1"),
        ({"tasks.kl.weight": -0.5}, "weight=-0.5"),
        ({"tasks.kl.weight": math.inf}, "weight=inf"),
        ({"tasks.kl.weight": math.nan}, "weight=nan"),
        ({"tasks.tag.form": "mse"}, "form='mse': accepted are bce, clipped_bce, asl"),
        ({"clip_norm": -1.0}, "clip_norm=-1.0: a number from 0"),
        ({"clip_norm": math.nan}, "clip_norm=nan"),
        ({"labels": "order"}, "labels='order': one of scores, rank is accepted"),
        ({"seed": -1}, "seed=-1: an integer from 0 to 2147483647"),
        ({"seed": 2**31}, "seed=2147483648"),
        ({"val_batch_size": 2**31}, "val_batch_size=2147483648"),
        ({"precision": "float16"}, "precision='float16': one of auto, float32, mixed_bfloat16"),
        ({"groups.head.pattern": "("}, r"pattern='\(': no regular expression"),
        ({"selection.direction": "up"}, "direction='up': 'max' or 'min' is accepted"),
    ],
)
def test_impossible_stages(changes, message):
    with pytest.raises(UserError, match=message):
        toys.stage(changes=changes)


@pytest.mark.parametrize("values", [(math.nan, 0, 5), (math.inf, 0, 5), (-1e-9, 0, 5), (1.0, -1, 5), (1.0, 5, 5), (1.0, 6, 5)])
def test_impossible_schedules(values):
    peak, warmup, horizon = values
    with pytest.raises(UserError):
        LinearSchedule(peak=peak, warmup=warmup, horizon=horizon)


@given(peak=st.floats(0, 1), warmup=st.integers(0, 10**6), more=st.integers(1, 10**6))
def test_any_other_schedule_is_legal(peak, warmup, more):
    schedule = LinearSchedule(peak=peak, warmup=warmup, horizon=warmup + more)
    assert Schedule.from_dict(plain(schedule)) == schedule


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(num_tags="5"), "Model 'single_stream': num_tags is '5', an integer is needed"),
        (lambda v: v.update(num_tags=True), "Model 'single_stream': num_tags is True"),
        (lambda v: v.update(name=None), "Model 'single_stream': name is None, text is needed"),
        (lambda v: v.update(encoder=3), "Model 'single_stream': encoder is 3"),
        (lambda v: v["encoder"].update(layer_norm_eps=None), "EncoderConfig: layer_norm_eps is None, a number is needed"),
        (lambda v: v["encoder"].update(rotary_value=0), "EncoderConfig: rotary_value is 0, true or false is needed"),
    ],
)
def test_a_value_of_another_type_is_named(change, message):
    values = toys.model("uniter").to_dict()
    change(values)
    with pytest.raises(UserError, match=message):
        Model.from_dict(values)
