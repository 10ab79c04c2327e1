"""Tables as text, for log messages and documents."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def table_text(table: "Table") -> str:
    """The lines of a table, as wide as the terminal and without its styles."""
    from rich.console import Console

    console = Console(force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().removesuffix("\n")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table in markdown, of whose columns the first `texts` have text, all others numbers."""
    align = ["---"] * texts + ["---:"] * (len(header) - texts)
    return "\n".join(f"| {' | '.join(map(escaped, cells))} |" for cells in [header, align, *rows])


def escaped(cell: str) -> str:
    """A text as it may stand in a cell, or in a sentence."""
    return cell.replace("|", "\\|").replace("\n", " ")
