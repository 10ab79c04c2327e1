"""Contrast of frames and text on vectors of two numbers, where cosines are 0, 1 and 0.6."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.presets import wbdc2022_rank8
from vsim_tf.tasks.contrast import JointContrast, ScaledContrast
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.objective import Objective

VIDEO, TEXT = tf.constant([[2.0, 0], [0, 3]]), tf.constant([[5.0, 0], [0.6, 0.8]])
"""Cosines of video i with text j: [[1, 0.6], [0, 0.8]]."""
BATCH = SimpleNamespace(num_frames=tf.constant([1, 1]))
BATCH.elements = (BATCH,)


def by_hand(scale):
    """Mean over videos of the two directions' mean."""
    s = scale * np.array([[1, 0.6], [0, 0.8]])
    rows, columns = (np.log(np.exp(m).sum(axis=1)) - np.diag(m) for m in (s, s.T))
    return float((rows + columns).mean() / 2)


@pytest.mark.parametrize("scale", [1.0, 1 / 0.07, 20.0])
def test_scaled_contrast_by_hand(scale):
    network = SimpleNamespace(heads={"scale": SimpleNamespace(value=tf.Variable(math.log(scale)))})
    output = VideoOutput(VIDEO, {}, text=TEXT)
    total, logs = Objective({"contrast": ScaledContrast()}).of_outputs(network, (output,), BATCH)
    assert float(logs["contrast"]) == pytest.approx(by_hand(scale), rel=1e-5)
    assert float(total) == pytest.approx(2 * by_hand(scale), rel=1e-5)


def test_the_scale_begins_at_1_by_007_and_gets_a_gradient():
    model = toys.model("wbdc_clip", dropout=0.0)
    network = build_network(model, [ScaledContrast()])
    scale = network.heads["scale"].value
    assert float(scale) == pytest.approx(math.log(1 / 0.07), rel=1e-6)
    with tf.GradientTape() as tape:
        total, _ = Objective({"contrast": ScaledContrast()})(network, toy_short_videos.clean_batch(model))
    assert float(tape.gradient(total, scale.value)) != 0


class Pair(JointContrast, name="test_pair"):
    """The vectors by hand, in the place of two passes of a network."""

    def vectors(self, network, batch, training):
        return VIDEO, TEXT


@pytest.mark.parametrize("temperature", [1.0, 0.07])
def test_joint_contrast_by_hand(temperature):
    """Both directions are summed, without a temperature unless one is given (rank-8 quirk 6)."""
    output = VideoOutput(VIDEO, {})
    _, logs = Objective({"ict": Pair(temperature=temperature)}).of_outputs(None, (output,), BATCH)
    assert float(logs["ict"]) == pytest.approx(2 * by_hand(1 / temperature), rel=1e-5)


def test_64_videos_cannot_have_less_than_2_25_in_each_direction():
    """Rank-8 quirk 6: cosines of 1 and -1: log(1 + 63·e⁻²); with 0 for negatives log(1 + 63·e⁻¹); by chance log 64."""
    losses = [math.log(1 + 63 * math.exp(-difference)) for difference in (2, 1, 0)]
    assert losses == pytest.approx([2.25, 3.19, 4.16], abs=5e-3)
    eye = tf.eye(64)
    output, batch = VideoOutput(eye, {}), SimpleNamespace(num_frames=tf.ones(64, tf.int32))
    batch.elements = (batch,)

    class Orthogonal(JointContrast, name="test_orthogonal"):
        def vectors(self, network, batch, training):
            return eye, eye

    _, logs = Objective({"ict": Orthogonal()}).of_outputs(None, (output,), batch)
    assert float(logs["ict"]) == pytest.approx(2 * losses[1], rel=1e-5)


# --- the passes of joint contrast -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return build_network(toys.model("wbdc_single", dropout=0.0), wbdc2022_rank8.pretrain_tasks().values())


def vectors(network, batch, task=None, others=True):
    tasks = wbdc2022_rank8.pretrain_tasks() if others else {"ict": JointContrast()}
    task = task or tasks["ict"]
    return task.vectors(network, toy_short_videos.corrupted(batch, tasks), training=False)


def test_its_inputs_are_those_before_anything_was_masked(network):
    batch = toy_short_videos.clean_batch(network.config)
    for masked, clean in zip(vectors(network, batch), vectors(network, batch, others=False), strict=True):
        np.testing.assert_array_equal(masked, clean)


def test_the_text_alone_knows_no_frames_and_means_leave_padding_out(network):
    batch = toy_short_videos.clean_batch(network.config)
    joint, text = vectors(network, batch)
    states = network.text_alone(batch.input_ids, batch.attention_mask).states.numpy()
    mask = batch.attention_mask.numpy()[..., None]
    np.testing.assert_allclose(text, (states * mask).sum(axis=1) / mask.sum(axis=1), rtol=1e-5, atol=1e-6)
    other_joint, other_text = vectors(network, batch._replace(frames=-batch.frames))
    np.testing.assert_array_equal(other_text, text)
    assert (np.abs(other_joint - joint).max(axis=1) > 1e-4).all()


def test_frames_go_with_ocr_and_speech(network):
    batch = toy_short_videos.clean_batch(network.config)
    context = batch._replace(input_ids=batch.targets["context_ids"], attention_mask=batch.targets["context_mask"])
    sequence = call_network(network, context, training=False).sequence
    mask = sequence.mask.numpy()[..., None]
    expected = (sequence.states.numpy() * mask).sum(axis=1) / mask.sum(axis=1)
    np.testing.assert_allclose(vectors(network, batch)[0], expected, rtol=1e-5, atol=1e-6)


def test_the_title_alone_if_asked_for(network):
    """Rank-8 quirk 5: else the text of a has OCR and speech in it too."""
    batch = toy_short_videos.clean_batch(network.config)
    title = batch._replace(input_ids=batch.targets["title_ids"], attention_mask=batch.targets["title_mask"])
    np.testing.assert_array_equal(vectors(network, batch, JointContrast(title_alone=True))[1], vectors(network, title)[1])
    assert (vectors(network, batch)[1] != vectors(network, title)[1]).numpy().any()


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperatures_that_make_no_sense(temperature):
    with pytest.raises(UserError, match=f"temperature={temperature}: a number above 0"):
        JointContrast(temperature=temperature)


@pytest.mark.parametrize(
    ("task", "model", "message"),
    [
        (JointContrast(), "wbdc_3", "the task joint_contrast needs one sequence of tokens and frames, which wbdc_3"),
        (ScaledContrast(), "wbdc_single", "the task scaled_contrast needs a dual encoder, which wbdc_single is not"),
    ],
)
def test_models_that_they_cannot_train(task, model, message):
    with pytest.raises(UserError, match=message):
        task.require_model(toys.model(model))


def test_it_must_be_the_first_task_of_a_stage():
    tasks = wbdc2022_rank8.pretrain_tasks()
    late = {name: task.to_dict() for name, task in [*list(tasks.items())[1:], ("ict", tasks["ict"])]}
    with pytest.raises(UserError, match="ict must be the first"):
        wbdc2022_rank8.single_pretraining().replace({"tasks": late})
