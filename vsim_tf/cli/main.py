"""The console script `vsim-tf`: one command for each stage, by its name and flags."""

import importlib
import sys
from typing import NamedTuple

from vsim_tf.cli import app


class Command(NamedTuple):
    """A module with `main`, and with `define_flags` unless `main` takes the words itself; `WORD` is the flag of a word alone."""

    module: str
    summary: str


COMMANDS = {
    "demo": Command("vsim_tf.demo.__main__", "write demo data in the contest's format"),
    "check": Command("vsim_tf.cli.check", "list all that is wrong with a data folder, and what it holds"),
    "extract": Command("vsim_tf.cli.extract", "make records of a table or annotations with videos, pictures or features"),
    "write-labels": Command("vsim_tf.cli.write_labels", "bring scores of pairs from any scale to similarities"),
    "write-folds": Command("vsim_tf.cli.write_folds", "split the labelled pairs into folds"),
    "pretrain": Command("vsim_tf.cli.pretrain", "pre-train one model on tagged videos"),
    "finetune": Command("vsim_tf.cli.finetune", "fine-tune one model on labelled pairs"),
    "classify": Command("vsim_tf.cli.classify", "train one classifier on labelled videos"),
    "embed": Command("vsim_tf.cli.embed", "embed videos by one checkpoint or by those of a model's folds"),
    "predict": Command("vsim_tf.cli.predict", "classes of videos by one checkpoint or by the runs of a classifier"),
    "ensemble": Command("vsim_tf.cli.ensemble", "average embeddings over folds, sum models by weight, and report"),
    "index": Command("vsim_tf.cli.index", "make an index of videos, by a model or of files of embeddings"),
    "search": Command("vsim_tf.cli.search", "find the most similar videos of an index"),
    "dedup": Command("vsim_tf.cli.dedup", "find groups of near-duplicates in an index"),
    "export": Command("vsim_tf.cli.export", "write a model or an ensemble as a SavedModel or ONNX, for other programs"),
    "serve": Command("vsim_tf.cli.serve", "serve a model over HTTP: embeddings, similarities, neighbours and classes"),
    "golden": Command("vsim_tf.golden.__main__", "compare this installation with numbers of the 2021 code"),
}
"""Modules by name: only the one that is called is imported."""


def usage() -> str:
    """Return the help text, one line a command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: vsim-tf COMMAND [--name=value ...]", "", *lines, "", "vsim-tf COMMAND --help lists its flags."])


def main() -> None:
    """Run the command that the first word names; an unknown one ends with one line and exit code 2."""
    name, *arguments = sys.argv[1:] or [""]
    if name in ("--help", "-h"):
        app.end_with_the_reader()
        print(usage())
    elif name in COMMANDS:
        run(name, arguments)
    else:
        given = f"{name}: no such command" if name else "a command is needed"
        print(f"error: {given}; accepted: {', '.join(COMMANDS)}; vsim-tf --help describes them", file=sys.stderr)
        sys.exit(app.USER_ERROR_EXIT)


def run(name: str, arguments: list[str]) -> None:
    """Run one command and exit with its code."""
    module = importlib.import_module(COMMANDS[name].module)
    if not hasattr(module, "define_flags"):
        sys.exit(module.main(arguments))
    sys.argv = [f"{app.CONSOLE_SCRIPT} {name}", *arguments]
    module.define_flags()
    app.run(module.main, module.__doc__ or "", getattr(module, "WORD", ""))


if __name__ == "__main__":
    main()
