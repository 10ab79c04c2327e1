"""How a script runs: flags are parsed, `main` is called, and what a person can fix ends with one line instead of a traceback."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from vsim_tf.cli.messages import shown_messages
from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.errors import Stopped, UserError
from vsim_tf.io.interrupts import Interrupts

FLAGS = flags.FLAGS
USER_ERROR_EXIT = 2
CONSOLE_SCRIPT = "vsim-tf"


def run(main: Callable[[], None], description: str, word: str = "") -> None:
    """Parses the command line and calls `main`; a mistake of the user's is one line on stderr and exit code 2.

    Ctrl-C is one line too, with exit code 130; training scripts save first, also at SIGTERM (143).

    Args:
        main: called when all flags are legal.
        description: stands above the flags in `--help`.
        word: the flag that a word without dashes stands for; empty: there is none.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what goes wrong raises an error too; 2 complains of float16 alone
    logging.set_verbosity(logging.WARNING)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background jobs ignore it
        signal.signal(signal.SIGINT, Interrupts())
    with shown_messages():
        app.run(lambda _: guarded(main), flags_parser=lambda argv: _parse(argv, description, word))


def guarded(main: Callable[[], None]) -> None:
    """Calls `main`, and ends the process as `run` says if that does not end well."""
    try:
        main()
    except UserError as error:
        sys.exit(_fail(in_flags(error)))
    except OSError as error:  # a full disk, a file that vanished, a folder without permission: nothing to fix in the code
        sys.exit(_fail(f"{error.filename or 'reading or writing'}: {error.strerror or error}"))
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        print("stopped by SIGINT: the same command resumes from what is complete", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def end_with_the_reader() -> None:
    """Lets the process end silently where the reader of what it prints ends before the text does, as head may."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _parse(argv: Sequence[str], description: str, word: str) -> list[str]:
    if {"--help", "-help", "-h"} & set(argv):
        end_with_the_reader()
        given = f"[{word.upper()}] " if word else ""
        print(f"{description.rstrip()}\n\nusage: {shlex.join(program(argv[0]))} {given}[flags]\n{_help()}")
        sys.exit(0)
    try:
        return parse(argv, word)
    except UserError as error:
        sys.exit(_fail(in_flags(error)))


def _help() -> str:
    """All flags but those of absl itself, by the modules that define them."""
    modules = [module for module in FLAGS.flags_by_module_dict() if not module.startswith("absl")]
    return "\n".join(FLAGS.module_help(module) for module in sorted(modules))


def parse(argv: Sequence[str], word: str = "") -> list[str]:
    """Sets the flags by a command line; `UserError` for one that is illegal, and for words that are no flags.

    One word may be the value of the flag `word`, if it is not given otherwise.
    """
    try:
        rest = FLAGS(argv)
    except flags.Error as error:
        raise UserError(f"{error}; {shlex.join(program(argv[0]))} --help lists the flags") from None
    if len(rest) == 2 and word and not FLAGS[word].present:
        FLAGS[word].parse(rest.pop())
    if len(rest) > 1:
        raise UserError(f"unexpected arguments {rest[1:]}: every option is a flag, --name=value")
    return rest


def program(name: str) -> list[str]:
    """Return the words that start a script again: a file, a module, or a command of the console script."""
    if name.startswith(f"{CONSOLE_SCRIPT} "):
        return name.split()
    return ["python", name] if name.endswith(".py") else ["python", "-m", name]


def _fail(message: str) -> int:
    print("error:", " ".join(message.splitlines()), file=sys.stderr)
    return USER_ERROR_EXIT
