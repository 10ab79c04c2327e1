"""Steps compiled by XLA are the same steps, on one replica and on two, and few shapes are compiled."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.errors import UserError
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.training.pretraining import make_trainer

CASES = {"videos": ("pretrain", toys.random_videos), "pairs": ("finetune", toys.random_pairs)}
BATCH, STEPS = 5, 3  # on two replicas 3 and 2


def trainer_and_data(name, kind, folder, jit_compile, recipe="2021", strategy=None, form=None):
    stage_kind, make_records = CASES[kind]
    stage = toys.stage(8, (name, stage_kind), jit_compile=jit_compile, batch_size=BATCH)
    model = toys.model(name, dropout=0.0, recipe=recipe)
    trainer = make_trainer(model, stage, strategy or tf.distribute.get_strategy())
    file = toys.write_records(folder / "records", make_records(23))
    data = TrainingData(
        [file],
        kind,
        form or toys.batch_format(),
        BATCH,
        stage.seed,
        corruptions=[MaskedTokens().corrupt] if kind == "videos" else [],
    )
    return trainer, data


def losses_and_moments(trainer, data) -> tuple[list[float], dict[str, np.ndarray]]:
    """Losses of three steps, and the first moments of the gradients after them."""
    batches = trainer.batches(data.batches, 0)
    losses = [float(trainer.train_step(next(batches))["loss"]) for _ in range(STEPS)]
    return losses, {name: slot.numpy() for name, slot in trainer.optimizer.slots.items() if name.endswith("/m")}


def assert_same(actual, expected):
    """Moments within a ten-thousandth of their largest: weights would hide a gradient near 0 in a whole step of Adam."""
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-5)
    for name, moment in expected[1].items():
        np.testing.assert_allclose(actual[1][name], moment, rtol=0, atol=1e-4 * max(np.abs(moment).max(), 1e-3), err_msg=name)


SLOW = [("mix_nextvlad", "pairs", "2021"), ("uniter", "pairs", "plus"), ("uniter_roformer", "videos", "2021")]
SLOW += [("mix_nextvlad_roformer", "videos", "plus")]


@pytest.mark.parametrize(
    ("name", "kind", "recipe"),
    [("uniter", "videos", "2021"), *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
)
def test_compiled_steps_are_the_same(name, kind, recipe, tmp_path):
    plain, compiled = (trainer_and_data(name, kind, tmp_path, jit, recipe) for jit in (False, True))
    assert_same(losses_and_moments(*compiled), losses_and_moments(*plain))
    assert (plain[0].compilations, compiled[0].compilations) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["videos", "pairs"])
def test_compiled_steps_of_two_replicas_are_the_same(kind, two_replicas, tmp_path):
    plain = trainer_and_data("uniter", kind, tmp_path, False)
    compiled = trainer_and_data("uniter", kind, tmp_path, True, strategy=two_replicas)
    assert_same(losses_and_moments(*compiled), losses_and_moments(*plain))
    assert compiled[0].compilations == 2


def test_what_needs_other_replicas_within_a_step_is_not_compiled(two_replicas, tmp_path):
    with pytest.raises(UserError, match="jit_compile=True with 2 replicas: mix_nextvlad needs numbers of all replicas"):
        trainer_and_data("mix_nextvlad", "pairs", tmp_path, True, strategy=two_replicas)


@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_lengths_are_rounded_up_so_that_few_shapes_are_compiled(replicas, two_replicas, tmp_path):
    """8 tokens and 4 frames in multiples of 4: two lengths of titles and one of videos, on each replica."""
    strategy = two_replicas if replicas == 2 else None
    trimmed = dataclasses.replace(toys.batch_format(), trim_text=True, trim_frames=True)
    rounded = dataclasses.replace(trimmed, length_multiple=4)
    shapes = {}
    for form in (trimmed, rounded):
        trainer, data = trainer_and_data("uniter_asl", "videos", tmp_path, True, strategy=strategy, form=form)
        batches = trainer.batches(data.batches, 0)
        trainer.compiled_step = lambda batch: {}  # shapes are noted before a step
        for _ in range(20):
            trainer.train_step(next(batches))
        shapes[form.length_multiple] = trainer.compilations
    assert shapes[4] <= 2 * replicas < shapes[0]
