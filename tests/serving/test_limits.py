"""Limits that let nothing through are refused by their flags."""

import math

import pytest
from script_flags import refused

from vsim_tf.serving.limits import Limits


def test_mebibytes():
    assert Limits(max_body_mb=3).max_body == 3 * 1024 * 1024


@pytest.mark.parametrize("changes", [{"max_videos": 0}, {"timeout": -1.0}, {"timeout": math.nan}, {"timeout": math.inf}])
def test_what_is_refused(changes):
    ((name, value),) = changes.items()
    with refused(f"^--{name}={value}: a number above 0 is needed$"):
        Limits(**changes)
