"""Tables as text."""

from rich.table import Table

from vsim_tf.io.tables import table_text


def test_a_table_has_the_width_of_the_terminal_and_no_styles(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("a name", title="[bold]title[/bold]")
    table.add_row("a value that is longer than that")
    lines = table_text(table).splitlines()
    assert lines[0].strip() == "title"
    assert {len(line) for line in lines} == {20}
    assert "\x1b" not in table_text(table)
