"""One line of a validation error: where, what is accepted, what was given."""

import pytest

pytest.importorskip("fastapi")

from vsim_tf.serving.bodies import ARRAY, LISTS
from vsim_tf.serving.problems import described, place, problem


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (("body",), ""),
        (("body", "videos"), "videos"),
        (("body", "videos", 3, "frames", LISTS, 0, 7), "videos[3].frames[0][7]"),
        (("body", "a", 0, "frames", ARRAY, "shape", 1), "a[0].frames.shape[1]"),
    ],
)
def test_a_place(steps, said):
    assert place(steps) == said


def test_the_first_error_is_told_and_the_others_are_counted():
    error = {"type": "list_type", "loc": ("body", "videos"), "msg": "Input should be a valid list", "input": "x" * 1000}
    said = described([error, error, error])
    assert said.startswith("videos: input should be a valid list; 'xxxx") and said.endswith("' is given (and 2 more)")
    assert len(said) < 120


def test_what_cannot_be_written_is_escaped():
    assert problem(422, "天 \ud800").body == '{"detail":"天 \\\\ud800"}'.encode()
