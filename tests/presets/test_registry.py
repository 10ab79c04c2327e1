"""The registered models: what each is, and how many parameters it has at full size."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from tiers import slow_but

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.presets import recipes, registry
from vsim_tf.presets.recipes import RECIPES
from vsim_tf.presets.sizes import sized
from vsim_tf.tasks.tags import Tags

NUM_TAGS = 10_000
VOCAB = {"bert": 21_128, "roformer": 50_000}
BERT, ROFORMER = 102_267_648, 123_555_840  # bert-base-chinese with pooler, chinese_roformer_base; both fixed by their files
BERT_WITHOUT_POOLER = BERT - 768 * 768 - 768
UNITER = (1536 * 768 + 768) + (768 * 256 + 256) + (256 * NUM_TAGS + NUM_TAGS)  # frame map, narrowing, classifier
WORD_HEAD = (256 * 768 + 768) + 2 * 768  # and one bias per word; the table is the encoder's

PARAMETERS = {  # model: (trainable parameters of the encoder, of all else when fine-tuning, of the MLM head)
    "mix_nextvlad": (BERT, 104_667_723, 0),
    "mix_nextvlad_asl": (BERT, 104_667_723, 0),
    "mix_nextvlad_roformer": (ROFORMER, 104_667_723, 0),
    "uniter": (BERT_WITHOUT_POOLER, UNITER, WORD_HEAD + 21_128),
    "uniter_asl": (BERT_WITHOUT_POOLER, UNITER, WORD_HEAD + 21_128),
    "uniter_roformer": (ROFORMER, UNITER, WORD_HEAD + 50_000),
}


def count(variables) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)


@functools.cache
def counted(name: str) -> tuple[int, int, int]:
    """The row of `PARAMETERS`, in a graph that never runs."""
    preset = registry.preset(name)
    kind = preset.model.encoder.kind
    model = preset.model.fitted(VOCAB[kind], NUM_TAGS)
    if kind == "roformer":
        model = model.replace({"encoder.max_positions": 1536})
    with tf.Graph().as_default():
        network = build_network(model, preset.pretrain.tasks.values())
    encoder, head = count(network.encoder.trainable_variables), sum(count(h.trainable_variables) for h in network.heads.values())
    return encoder, count(network.trainable_variables) - encoder - head, head


@pytest.mark.parametrize("name", registry.MODELS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_fits_every_model(name, recipe):
    preset, changes = registry.preset(name), recipes.recipe(recipe)
    assert (changes.model(preset.model) == preset.model) == (recipe == "2021")
    for kind in ("pretrain", "finetune"):
        stage = getattr(preset, kind)
        assert (changes.stage(kind, stage) == stage) == (recipe == "2021")


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", [*PARAMETERS, "debug"])
def test_batches_are_sorted_by_length_only_where_no_video_sees_the_others(name, recipe):
    preset, changes = registry.preset(name), recipes.recipe(recipe)
    independent = changes.model(preset.model).videos_are_independent
    stages = [changes.stage(kind, getattr(preset, kind)) for kind in ("pretrain", "finetune")]
    assert [stage.bucket_by_length for stage in stages] == [independent, independent]


def test_an_unknown_recipe_is_refused():
    with pytest.raises(UserError, match="recipe 'minus': not a registered one; accepted: 2021, plus"):
        recipes.recipe("minus")


def test_every_model_has_a_row():
    """Those of the 1st place have theirs in test_aiac2021_rank1.py."""
    assert set(PARAMETERS) == {make.__name__ for make in registry.SYSTEMS["aiac2021_rank4"]}
    assert set(registry.MODELS) == {make.__name__ for models in registry.SYSTEMS.values() for make in models} | {"debug"}


@pytest.mark.parametrize("name", slow_but(("mix_nextvlad", "uniter"), PARAMETERS))
def test_parameters_at_full_size(name):
    assert counted(name) == PARAMETERS[name]


@pytest.mark.parametrize("name", registry.MODELS)
def test_a_model_registers_under_its_own_name(name):
    assert registry.preset(name).name == name == registry.MODELS[name].__name__


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"name=bert: .*; accepted: mix_nextvlad, .*, uniter_roformer, .*, qq_job6$"):
        registry.preset("bert")


@pytest.mark.parametrize(("size", "expected"), [("tiny", (491_904, 1_427_757)), ("debug", (6_208, 128_779))])
def test_parameters_at_the_small_sizes(size, expected):
    model = sized(registry.preset("mix_nextvlad").model, size).replace({"frames.dim": 128}).fitted(100, 10)
    with tf.Graph().as_default():
        network = build_network(model, [Tags()])
    encoder = count(network.encoder.trainable_variables)
    assert (encoder, count(network.trainable_variables) - encoder) == expected


def test_debug_comes_in_one_size_only():
    assert registry.preset("debug").size == "debug"


def test_an_unknown_size_is_refused():
    with pytest.raises(UserError, match="size 'huge': not a registered one; accepted: base, large, tiny$"):
        sized(registry.preset("uniter").model, "huge")


def test_fields_of_a_hub_folder_win():
    model = registry.preset("uniter").model.fitted(100, 10, {"vocab_size": 112, "num_layers": 3})
    assert (model.encoder.vocab_size, model.encoder.num_layers, model.encoder.hidden_size) == (112, 3, 768)
