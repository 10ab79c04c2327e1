"""The flags of scripts in a set of their own, for tests that parse command lines, and errors as scripts say them."""

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest
from absl import flags

from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.errors import UserError


def defined(*definitions: Callable[[], None]) -> flags.FlagValues:
    """What functions such as `vsim_tf.cli.flags.define_pair` define; a flag that several define is that of the first."""
    values = flags.FlagValues()
    for define in definitions:
        before = set(flags.FLAGS)
        define()
        names = set(flags.FLAGS) - before
        for name in names - set(values):
            values[name] = flags.FLAGS[name]
        flags.FLAGS.remove_flag_values(names)
    return values


@contextlib.contextmanager
def refused(match: str) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Asserts that the block raises a `UserError`, and that scripts would say something that matches."""
    with pytest.raises(UserError) as caught:
        yield caught
    assert re.search(match, in_flags(caught.value)), in_flags(caught.value)
