from __future__ import annotations

import io

from rich.console import Console

from benchmarks.contenders import HANDLERS
from benchmarks.tables import TableOf, tables
from tests.benchmarks.sample_run import sample_run


def test_every_table_fits_80_columns_without_cutting_a_figure() -> None:
    for table in tables(sample_run())[1:]:  # the machine's libraries take several lines
        terminal = io.StringIO()
        Console(file=terminal, width=80).print(table.drawn())

        lines = terminal.getvalue().splitlines()
        assert max(map(len, lines)) <= 80
        for row in table.rows:
            assert any(all(cell in line for cell in row) for line in lines), table.title


def test_the_comparison_has_a_column_for_each_contender() -> None:
    comparison = tables(sample_run())[2]

    assert set(HANDLERS) <= set(comparison.header)
    assert comparison.rows[-1][2:] == ("-", "-", "-", "-")  # only ours is measured at 10,000


def test_markdown_aligns_numbers_to_the_right() -> None:
    table = TableOf("Title", ("batch", "µs"), [("1", "2.5")])

    assert table.markdown() == "Title\n\n| batch | µs |\n| --- | ---: |\n| 1 | 2.5 |\n"
