"""Tables of scores as data, and their two forms: markdown, and lines for the terminal."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vsim_tf.io.tables import markdown_table

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "–"


class ScoreTable(NamedTuple):
    """Scores of models, and of what they are compared with.

    Attributes:
        title: above it, on the terminal.
        header: names of the columns.
        rows: cells of each row, those of the models first.
        models: number of models.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    models: int

    def markdown(self) -> str:
        """The table in markdown, without its title."""
        return markdown_table(self.header, self.rows)

    def console(self) -> "Table":
        """The table for the terminal, with a line below its models: `io.tables.table_text` makes text of it."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.title)
        for column, name in enumerate(self.header):
            # A narrow terminal shortens the baselines' names first: header and models' names stay whole in 80 columns.
            table.add_column(name.replace(" (", "\n("), justify="right" if column else "left")
        for number, cells in enumerate(self.rows, 1):
            table.add_row(*map(Text, cells), end_section=number == self.models)
        return table


def score_text(value: float) -> str:
    """A score with four decimals, or a dash where it is not defined."""
    return NOTHING if math.isnan(value) else f"{value:.4f}"
