"""Tables as text, for log messages."""

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
