"""--help says which value each model has."""

import pytest
from script_flags import defined

from vsim_tf.cli import class_flags, flags
from vsim_tf.cli.model_defaults import CLASSIFY, described, registered
from vsim_tf.cli.settings import MODEL_FLAGS, TRAINING_FLAGS
from vsim_tf.presets import registry
from vsim_tf.presets.small import FINETUNE, PRETRAIN


@pytest.mark.parametrize(
    ("path", "stage", "said"),
    [
        ("training.batch_size", PRETRAIN, "256 (mix*, uniter, uniter_asl), 210 (uniter_roformer), 128 (qq*), 64 (wbdc*)"),
        ("training.total_steps", FINETUNE, "4000 (mix_nextvlad, mix_nextvlad_roformer, uniter_roformer), 3000 (mix_nextvlad_asl,"
         " uniter, uniter_asl), 20420 (qq*)"),
        ("training.groups.head.schedule.peak", CLASSIFY, "0.0005"),
        ("training.bucket_by_length", FINETUNE, "no (mix*, qq*), yes (uniter*)"),
        ("training.tasks.kl.weight", FINETUNE, "0.5 (mix*, uniter*)"),
        ("model.clusters", PRETRAIN, "64 (mix*)"),
        ("training.average.decay", FINETUNE, "none"),
        ("training.nothing", PRETRAIN, ""),
    ],
)  # fmt: skip
def test_values_by_model(path, stage, said):
    assert described(path, stage) == said


def test_every_model_of_a_script_is_there():
    assert registered(PRETRAIN).keys() == {*registry.PUBLIC_MODELS, *registry.PRETRAININGS}
    assert registered(FINETUNE).keys() == {*registry.PUBLIC_MODELS}
    assert registered(CLASSIFY).keys() == {*registry.CLASSIFIERS}


@pytest.mark.parametrize(
    ("define", "shown"),
    [
        (flags.define_pretrain, (*MODEL_FLAGS, *TRAINING_FLAGS)), (flags.define_pair, TRAINING_FLAGS),
        (class_flags.define_classify, TRAINING_FLAGS),
    ],
)  # fmt: skip
def test_every_setting_has_its_default_in_the_help(define, shown):
    values = defined(define)
    assert [flag.name for flag in shown if " Default: " not in values[flag.name].help] == []
