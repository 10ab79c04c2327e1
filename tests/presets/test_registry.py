"""The registered models: what each is, and how many parameters it has at full size."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.config import ModelConfig
from vsim_tf.errors import UserError
from vsim_tf.models.build import build_model
from vsim_tf.presets import registry

NUM_TAGS = 10_000
VOCAB = {"bert": 21_128, "roformer": 50_000}
BERT, ROFORMER = 102_267_648, 123_555_840  # bert-base-chinese with pooler, chinese_roformer_base; both fixed by their files
BERT_WITHOUT_POOLER = BERT - 768 * 768 - 768
UNITER = (1536 * 768 + 768) + (768 * 256 + 256) + (256 * NUM_TAGS + NUM_TAGS)  # frame map, narrowing, classifier
WORD_HEAD = (256 * 768 + 768) + 2 * 768  # and one bias per word; the table is the encoder's

PARAMETERS = {  # model: (trainable parameters of the encoder, of all else when fine-tuning, of the masked word head)
    "mix_nextvlad": (BERT, 104_667_723, 0),
    "mix_nextvlad_asl": (BERT, 104_667_723, 0),
    "mix_nextvlad_roformer": (ROFORMER, 104_667_723, 0),
    "uniter": (BERT_WITHOUT_POOLER, UNITER, WORD_HEAD + 21_128),
    "uniter_asl": (BERT_WITHOUT_POOLER, UNITER, WORD_HEAD + 21_128),
    "uniter_roformer": (ROFORMER, UNITER, WORD_HEAD + 50_000),
}


def full_size(name: str) -> ModelConfig:
    spec = registry.model_spec(name)
    hub = {"max_positions": 1536} if spec.encoder_kind == "roformer" else None
    encoder = registry.encoder_config(spec, "base", VOCAB[spec.encoder_kind], hub)
    return registry.model_config(spec, "base", encoder, NUM_TAGS)


def count(variables) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)


_counted: dict[ModelConfig, tuple[int, int, int]] = {}


def counted(name: str) -> tuple[int, int, int]:
    """What stands in `PARAMETERS`; models that differ in a loss are built once, in a graph that never runs."""
    config = full_size(name).replace(name="any", tag_loss="bce", pretrain_losses={"mlm": 1.0})
    key = repr(config)
    if key not in _counted:
        with tf.Graph().as_default():
            model = build_model(config, pretraining=True)
        encoder, mlm = model.encoder.trainable_variables, getattr(model, "mlm", None)
        head = count(mlm.trainable_variables) if mlm else 0
        _counted[key] = (count(encoder), count(model.trainable_variables) - count(encoder) - head, head)
    return _counted[key]


@pytest.mark.parametrize("name", registry.MODELS)
@pytest.mark.parametrize("recipe", registry.RECIPES)
def test_a_recipe_fits_every_model(name, recipe):
    changes, spec = registry.recipe(recipe), registry.model_spec(name)
    assert toys.model_config(name, recipe=recipe, **changes.model).recipe == recipe
    for stage, changed in ((spec.pretrain, changes.pretrain), (spec.finetune, changes.finetune)):
        assert (stage.replace(**changed) == stage) == (recipe == "2021")


@pytest.mark.parametrize("recipe", registry.RECIPES)
@pytest.mark.parametrize("name", registry.MODELS)
def test_batches_are_sorted_by_length_only_where_no_video_sees_the_others(name, recipe):
    changes, spec = registry.recipe(recipe), registry.model_spec(name)
    independent = toys.model_config(name, **changes.model).videos_are_independent
    stages = spec.pretrain.replace(**changes.pretrain), spec.finetune.replace(**changes.finetune)
    assert [stage.bucket_by_length for stage in stages] == [independent, independent]


def test_an_unknown_recipe_is_refused():
    with pytest.raises(UserError, match="recipe 'minus': not a registered one; accepted: 2021, plus"):
        registry.recipe("minus")


def test_every_model_has_a_row():
    assert set(PARAMETERS) | {"testing"} == set(registry.MODELS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if "roformer" in name else ()) for name in PARAMETERS]
)
def test_parameters_at_full_size(name):
    assert counted(name) == PARAMETERS[name]


@pytest.mark.parametrize("name", registry.MODELS)
def test_a_model_registers_under_its_own_name(name):
    assert registry.model_spec(name).name == name == registry.MODELS[name].__name__


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"--model=bert: .*; accepted: mix_nextvlad, .*, uniter_roformer$"):
        registry.model_spec("bert")


@pytest.mark.parametrize(("size", "expected"), [("tiny", (491_904, 1_427_757)), ("testing", (6_208, 128_779))])
def test_parameters_at_the_small_sizes(size, expected):
    spec = registry.model_spec("mix_nextvlad")
    config = registry.model_config(spec, size, registry.encoder_config(spec, size, 100), 10, frame_embedding_size=128)
    with tf.Graph().as_default():
        model = build_model(config)
    encoder = count(model.encoder.trainable_variables)
    assert (encoder, count(model.trainable_variables) - encoder) == expected


def test_testing_comes_in_one_size_only():
    spec = registry.model_spec("testing")
    assert registry.encoder_config(spec, "base", 100) == registry.encoder_config(spec, "testing", 100)


def test_fields_of_a_hub_folder_win():
    spec = registry.model_spec("uniter")
    encoder = registry.encoder_config(spec, "base", 100, {"vocab_size": 100, "num_layers": 3})
    assert (encoder.vocab_size, encoder.num_layers, encoder.hidden_size) == (100, 3, 768)


def test_a_vocabulary_of_another_size_than_the_hub_folder_says_is_refused():
    with pytest.raises(UserError, match=r"vocabulary has 100 entries, config.json beside it says 7"):
        registry.encoder_config(registry.model_spec("uniter"), "base", 100, {"vocab_size": 7})


@pytest.mark.parametrize(("entries", "fits"), [(100, True), (99, True), (101, False), (500, False)])
def test_a_vocabulary_has_the_size_of_the_word_table(entries, fits):
    """Up to padding: a table may have unused rows at its end, but a vocabulary that was cut short is refused."""
    hub = {"vocab_size": 100 if entries < 200 else 628}
    if fits:
        assert registry.encoder_config(registry.uniter(), "base", entries, hub).vocab_size == 100
    else:
        with pytest.raises(UserError, match=f"vocabulary has {entries} entries, config.json beside it says {hub['vocab_size']}"):
            registry.encoder_config(registry.uniter(), "base", entries, hub)
