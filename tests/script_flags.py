"""The flags of scripts in a set of their own, for tests that parse command lines."""

from collections.abc import Callable

from absl import flags


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
