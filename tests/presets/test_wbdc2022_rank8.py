"""The models of the 8th place against docs/facts_rank8.md, and the recipe that puts them right."""

import functools

import pytest
import tensorflow as tf
import toys
from tiers import slow_but

from vsim_tf.components import Component
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.models.build import build_network
from vsim_tf.models.frame_embeddings import EmbeddingBlock
from vsim_tf.models.layouts import TextFirst
from vsim_tf.models.pooling import MeanPooling
from vsim_tf.optim.adversarial import FastGradient, ProjectedGradient
from vsim_tf.optim.averaging import ExponentialAverage
from vsim_tf.optim.groups import grouped
from vsim_tf.optim.schedules import CosineSchedule
from vsim_tf.presets import recipes, registry
from vsim_tf.presets.sizes import sized
from vsim_tf.runs.stage import Selection, Stage

PRETRAININGS, CLASSIFIERS = ("wbdc_single", "wbdc_clip"), ("wbdc_1", "wbdc_2", "wbdc_3", "wbdc_4")
NAMES = (*PRETRAININGS, *CLASSIFIERS)
EVERY_NAME = pytest.mark.parametrize("name", NAMES)
UNLABELLED, LABELLED = 1_000_000, 100_000
"""Videos (docs/facts_rank8.md 1)."""


def test_names():
    assert tuple(registry.PRETRAININGS) == PRETRAININGS and tuple(registry.CLASSIFIERS) == CLASSIFIERS
    assert all(toys.registered(name).model.name == name for name in NAMES)


def model(name):
    return toys.registered(name).model


def stage(name) -> Stage:
    return toys.registered(name).stage


# --- models -----------------------------------------------------------------------------------------------------------


@EVERY_NAME
def test_what_all_models_share(name):
    """docs/facts_rank8.md 3 and 4: BERT-base, 256 tokens of three fields, the mean over all positions, no map behind it."""
    encoder, text, frames = model(name).encoder, model(name).text, model(name).frames
    assert (encoder.kind, encoder.hidden_size, encoder.num_layers, encoder.num_heads) == ("bert", 768, 12, 12)
    assert (encoder.intermediate_size, encoder.max_positions, encoder.type_vocab_size) == (3072, 512, 2)
    assert (encoder.hidden_dropout, encoder.attention_dropout, encoder.layer_norm_eps) == (0.1, 0.1, 1e-12)
    assert (encoder.initializer, encoder.initializer_range, encoder.padding_token) == ("normal", 0.02, 0)
    assert (text.max_length, text.form) == (256, "title_ocr_asr")
    assert (frames.dim, frames.sampling, frames.padding) == (768, "stride_starts", "zeros")
    assert model(name).pooling == MeanPooling(padding=True)
    assert model(name).embedding_size == 0 and toys.registered(name).published_size == "base"


@pytest.mark.parametrize(
    ("name", "slots", "drawn", "resize"),
    [("wbdc_single", 16, False, 0), ("wbdc_clip", 4, False, 256), *((name, 16, True, 256) for name in CLASSIFIERS)],
)
def test_frames(name, slots, drawn, resize):
    """docs/facts_rank8.md 2, 3 and 6: stored features by rule, four pictures by rule, 16 pictures drawn in training."""
    frames = model(name).frames
    assert (frames.max_frames, frames.drawn, frames.resize) == (slots, drawn, resize)


@pytest.mark.parametrize(("name", "trained"), [("wbdc_single", None), ("wbdc_3", 3), *((n, -1) for n in NAMES[1:4] + NAMES[5:])])
def test_towers(name, trained):
    """docs/facts_rank8.md 2 and 7: ViT-B/32, of which model 3 trains the top three blocks."""
    tower = model(name).tower
    if trained is None:
        assert tower is None
        return
    assert tower == VisionConfig(trainable_blocks=trained)
    sizes = (tower.picture_size, tower.patch_size, tower.hidden_size, tower.num_layers, tower.num_heads, tower.intermediate_size)
    assert sizes == (224, 32, 768, 12, 12, 3072) and tower.layer_norm_eps == 1e-5 and tower.grid**2 == 49


@pytest.mark.parametrize("name", ["wbdc_single", "wbdc_1", "wbdc_2", "wbdc_4"])
def test_single_streams(name):
    """docs/facts_rank8.md 4: text, then frames in a block of their own."""
    single = model(name)
    assert single.type_name == "single_stream" and single.layout == TextFirst()
    assert single.frame_embedding == EmbeddingBlock() and single.projection.type_name == "none"
    assert not single.pack and not single.unit_norm


def test_two_streams():
    """docs/facts_rank8.md 7."""
    two = model("wbdc_3")
    assert (two.type_name, two.vision_layers, two.cross_layers, two.dim) == ("two_stream", 6, 3, 2 * 768)
    assert two.vision.initializer == "normal" and two.cross.initializer == "torch_uniform"
    assert model("wbdc_clip").type_name == "dual_encoder"


# --- pre-training -----------------------------------------------------------------------------------------------------


def test_tasks_of_the_single_stream():
    """docs/facts_rank8.md 5.2 with the weights of the code: the text task counts whole (rank-8 quirk 2)."""
    tasks = stage("wbdc_single").tasks
    assert {name: task.weight for name, task in tasks.items()} == {
        "ict": 1.0, "mlm": 1.0, "mfm": 0.5, "mmm_video": 0.5, "mmm_text": 1.0, "itm": 1.0,
    }  # fmt: skip
    assert {name: task.type_name for name, task in tasks.items()} == {
        "ict": "joint_contrast", "mlm": "masked_tokens", "mfm": "masked_slots", "mmm_video": "hidden_frames",
        "mmm_text": "hidden_text", "itm": "matching",
    }  # fmt: skip
    assert list(tasks) == ["ict", "mlm", "mfm", "mmm_video", "mmm_text", "itm"]  # clean inputs first, frames exchanged last
    assert {name: task.part for name, task in tasks.items() if name != "ict"} == {
        "mlm": "joint", "mfm": "joint", "mmm_video": "no_frames", "mmm_text": "no_text", "itm": "joint",
    }  # fmt: skip


def test_settings_of_the_tasks():
    tasks = stage("wbdc_single").tasks
    assert tasks["mlm"].probability == 0.30 and tasks["mfm"].probability == pytest.approx(0.135, rel=1e-12)
    assert tasks["mlm"].spare_unknown and not tasks["mlm"].tied and not tasks["mmm_text"].tied
    assert tasks["itm"].units == 2 and tasks["itm"].with_padding
    assert (tasks["ict"].temperature, tasks["ict"].title_alone) == (1.0, False)


def test_the_task_of_the_dual_encoder():
    assert {name: task.type_name for name, task in stage("wbdc_clip").tasks.items()} == {"contrast": "scaled_contrast"}


RATES = {  # docs/facts_rank8.md 5.3, 6 and 8
    "wbdc_single": {"encoder": 1e-4, "head": 5e-4},
    "wbdc_clip": {"encoder": 5e-5, "head": 5e-6, "scale": 1e-5},
    "wbdc_1": {"encoder": 5e-5, "tower": 1e-5, "head": 5e-4},
    "wbdc_2": {"encoder": 5e-5, "tower": 1e-5, "head": 5e-4},
    "wbdc_3": {"encoder": 5e-5, "tower": 5e-6, "head": 5e-4},
    "wbdc_4": {"encoder": 5e-5, "tower": 1e-5, "head": 5e-4},
}
PRETRAIN_STEPS = 16 * (UNLABELLED // 64)
"""Files are numbered from 0, and later stages take number 15."""
FINETUNE_STEPS = 5 * (LABELLED * 4 // 5 // 64)


@EVERY_NAME
def test_rates_and_steps(name):
    """Warm-up over a tenth, then half a cosine to 0 at the last step."""
    steps = PRETRAIN_STEPS if name in PRETRAININGS else FINETUNE_STEPS
    assert stage(name).total_steps == steps == {True: 250_000, False: 6250}[name in PRETRAININGS]
    for group, peak in RATES[name].items():
        assert stage(name).groups[group].schedule == CosineSchedule(peak=peak, warmup=steps // 10, horizon=steps)
    assert stage(name).groups.keys() == RATES[name].keys()


@EVERY_NAME
def test_what_all_stages_share(name):
    """docs/facts_rank8.md 5.3: AdamW, no clipping, no accumulation, batches of any lengths, gradients of the mean loss.

    Model 2 has a seed of its own: without a published tower it would be model 1.
    """
    one = stage(name)
    assert (one.batch_size, one.reduction, one.bucket_by_length) == (64, "mean", False)
    assert one.seed == (803 if name == "wbdc_2" else 802)
    assert (one.optimizer.epsilon, one.optimizer.decay) == (1e-6, 0.01)
    assert (one.clip_norm, one.accumulate, one.length_multiple) == (0.0, 1, 0)
    assert not one.phases and not one.reload_best


@pytest.mark.parametrize("name", PRETRAININGS)
def test_pretraining_has_no_attack_and_no_average(name):
    assert stage(name).gradient_method is None and stage(name).average is None
    assert stage(name).selection == Selection(metric="loss", direction="min", kept="last")


# --- classification ---------------------------------------------------------------------------------------------------

FGM, PGD, NO_TABLE = FastGradient(), ProjectedGradient(), FastGradient(table="")


@pytest.mark.parametrize(
    ("name", "method", "encoder_from", "tower_from", "weight"),
    [
        ("wbdc_1", FGM, "wbdc_single", "", 1.0),
        ("wbdc_2", FGM, "wbdc_single", "wbdc_clip", 1.0),
        ("wbdc_3", NO_TABLE, "", "", 0.7),
        ("wbdc_4", PGD, "wbdc_single", "", 1.0),
    ],
)
def test_the_four_models(name, method, encoder_from, tower_from, weight):
    """docs/facts_rank8.md 10; the attack on model 3 finds no table (rank-8 quirk 3)."""
    one = toys.registered(name)
    assert one.stage.gradient_method == method
    assert (one.encoder_from, one.tower_from, one.ensemble_weight) == (encoder_from, tower_from, weight)
    assert one.stage.average == ExponentialAverage(decay=0.999)
    assert {task: part.type_name for task, part in one.stage.tasks.items()} == {"classes": "classes"}
    assert one.stage.selection == Selection(metric="mean_f1", direction="max", kept="best")
    assert one.stage.eval_every == FINETUNE_STEPS // 5  # at the end of each epoch


def test_sizes_of_the_attacks():
    """docs/facts_rank8.md 8."""
    assert (FGM.epsilon, FGM.passes, FGM.table) == (1.0, 1, "encoder/embedding/word")
    assert (PGD.length, PGD.radius, PGD.passes, PGD.table) == (0.3, 1.0, 3, "encoder/embedding/word")


@pytest.mark.parametrize("name", ["wbdc_2", "wbdc_4"])
def test_models_that_differ_in_how_they_are_trained_alone(name):
    assert model(name).replace(name="wbdc_1") == model("wbdc_1")


# --- groups and decay -------------------------------------------------------------------------------------------------


@functools.cache
def network(name):
    return build_network(toys.model(name, {"tower.trainable_blocks": -1} if name == "wbdc_3" else {}), stage(name).tasks.values())


def names_of_groups(name) -> dict[str, set[str]]:
    """First parts of the names of each group's weights."""
    names = {id(v): path for path, v in network(name).weights_by_name().items()}
    return {
        group: {names[id(v)].split("/")[0] for v in members}
        for group, members in grouped(network(name), stage(name).groups).items()
    }


CROSS = {"cross_0", "vision", "frame_block", "encoder"}


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("wbdc_single", {"encoder": {"encoder", "frame_block", "mlm", "mfm"}, "head": {"itm"}}),
        ("wbdc_clip", {"encoder": {"encoder"}, "head": {"tower"}, "scale": {"scale"}}),
        ("wbdc_1", {"encoder": {"encoder", "frame_block"}, "tower": {"tower"}, "head": {"classes"}}),
        ("wbdc_3", {"encoder": CROSS, "tower": {"tower"}, "head": {"classes"}}),
    ],
)
def test_members_of_groups(name, groups):
    """A rate goes by the substring "roberta" of PyTorch's names, which frame block and heads of the pre-training have."""
    assert names_of_groups(name) == groups


@pytest.mark.parametrize("name", ["wbdc_single", "wbdc_clip", "wbdc_1", "wbdc_3"])
def test_decay_goes_by_names_of_bert(name):
    """Biases and LayerNorm outside of the tower do not decay; gains of the tower do, and so does all that has other names.

    That are its class token and positions, the class vector, and the scale of logits (rank-8 quirks 17 and 21).
    """
    decays = {path: stage(name).optimizer.decay_of(path) for path in network(name).weights_by_name()}
    plain = {path for path, decay in decays.items() if not decay}
    last = {path: path.split("/")[-1] for path in decays}
    tower = {path for path in decays if path.startswith("tower/")}
    assert plain == {path for path in decays if last[path] in ("bias", "beta") or (last[path] == "gamma" and path not in tower)}
    assert {decay for path, decay in decays.items() if path not in plain} == {0.01}
    decayed = set(decays) - plain
    if name != "wbdc_single":
        assert {"tower/first_norm/gamma", "tower/block_0/attention_norm/gamma", "tower/class_token", "tower/position"} <= decayed
    assert "encoder/embedding/word" in decayed
    assert ("frame_block/class_vector" in decayed) == (name == "wbdc_3")
    assert ("scale/value" in decayed) == (name == "wbdc_clip")


# --- put right --------------------------------------------------------------------------------------------------------


def put_right(name) -> Stage:
    one = toys.registered(name)
    return recipes.recipe("plus").stage("pretrain", one.stage, one.stage_of_plus)


def changed(before: Component, after: Component) -> dict:
    """Values at paths of `after` that are others in `before`."""
    old, new = before.to_dict(), after.to_dict()
    return {key: value for key, value in new.items() if old.get(key) != value}


def test_tasks_of_plus():
    """Rank-8 quirks 1, 2, 5 and 6."""
    before, after = stage("wbdc_single").tasks, put_right("wbdc_single").tasks
    assert list(after) == ["ict", "itm", "mlm", "mfm", "mmm_video", "mmm_text"]  # frames are exchanged, then masked
    assert {name: changed(before[name], task) for name, task in after.items() if changed(before[name], task)} == {
        "ict": {"temperature": 0.07, "title_alone": True},
        "mfm": {"type": "masked_frames"},
        "mmm_text": {"weight": 0.5},
    }


@pytest.mark.parametrize("name", PRETRAININGS)
def test_everything_else_of_plus(name):
    changes = changed(stage(name), put_right(name))
    assert changes.keys() == {"clip_norm", "tasks"} & changes.keys() and changes["clip_norm"] == 1.0
    assert ("tasks" in changes) == (name == "wbdc_single")
    without = recipes.recipe("plus").model(model(name))
    assert without.pooling == MeanPooling(padding=False) and without.trims_text and without.trims_frames


def test_the_single_stream_of_plus_has_ngrams():
    one = toys.registered("wbdc_single")
    assert changed(one.model.encoder, recipes.recipe("plus").parts(one.model, one.model_of_plus).encoder) == {"longest_ngram": 3}


def test_classifiers_of_plus_clip_gradients():
    assert changed(stage("wbdc_1"), recipes.recipe("plus").stage("classify", stage("wbdc_1"))) == {"clip_norm": 1.0}


@EVERY_NAME
def test_the_recipe_2021_changes_nothing(name):
    one = toys.registered(name)
    kind, fixed, parts = ("pretrain", one.stage_of_plus, one.model_of_plus) if name in PRETRAININGS else ("classify", {}, {})
    assert recipes.recipe("2021").stage(kind, one.stage, fixed) == one.stage
    assert recipes.recipe("2021").parts(one.model, parts) == one.model
    assert recipes.recipe("2021").model(one.model) == one.model


@EVERY_NAME
def test_tasks_fit_the_model(name):
    for of_recipe in recipes.RECIPES.values():
        for task in (*stage(name).tasks.values(), *(put_right(name).tasks.values() if name in PRETRAININGS else ())):
            task.require_model(of_recipe.model(model(name)))


@EVERY_NAME
def test_stages_survive_json(name):
    assert Stage.from_dict(stage(name).to_dict()) == stage(name)
    if name in PRETRAININGS:
        assert Stage.from_dict(put_right(name).to_dict()) == put_right(name)


# --- parameters -------------------------------------------------------------------------------------------------------

VOCABULARY, WIDTH, FFN = 21_128, 768, 3072
LAYER = 4 * (WIDTH**2 + WIDTH) + (WIDTH * FFN + FFN) + (FFN * WIDTH + WIDTH) + 4 * WIDTH
ENCODER = (VOCABULARY + 512 + 2 + 2) * WIDTH + 12 * LAYER
BLOCK = (512 + 2 + 2) * WIDTH
TOWER = 3 * 32**2 * WIDTH + (1 + 50) * WIDTH + 2 * 2 * WIDTH + 12 * LAYER
"""Patches, class token and 50 positions, both norms; its blocks are as large as BERT's."""
CROSS_LAYER = 4 * (WIDTH**2 + WIDTH) + 2 * WIDTH + 2 * LAYER
PARAMETERS = {
    "wbdc_1": ENCODER + BLOCK + (WIDTH**2 + WIDTH) + TOWER + WIDTH * 200 + 200,
    "wbdc_3": ENCODER + BLOCK + WIDTH + 6 * LAYER + 3 * CROSS_LAYER + TOWER + 2 * WIDTH * 200 + 200,
}


@pytest.mark.parametrize("name", slow_but(["wbdc_1"], PARAMETERS))
def test_parameters_at_full_size(name):
    full = sized(model(name), "base").fitted(VOCABULARY, 0).replace({"num_classes": 200})
    with tf.Graph().as_default():
        made = build_network(full, stage(name).tasks.values())
        count = sum(int(tf.TensorShape(v.shape).num_elements()) for v in made.weights_by_name().values())
    assert count == PARAMETERS[name]
