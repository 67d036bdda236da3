"""What every command prints with: a console of fitting width, and one look of tables.

Belongs here: how text looks. Does not: what is told.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH = 120
NO_NUMBERS = ("", "-", "not materialized yet")
"""What stands in a column of numbers where there is none."""


def console(width: int = WIDTH) -> Console:
    """As wide as the terminal; where there is none, `width` characters."""
    found = Console()
    return found if found.is_terminal else Console(width=width)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, wide: int = 1) -> Table:
    """Text to the left, numbers to the right, brackets as they are; the first `wide` columns do not wrap."""
    listed = list(rows)
    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_header=any(columns)
    )
    for number, column in enumerate(columns):
        values = [row[number] for row in listed]
        is_number = any(values) and all(_is_number(value) or value in NO_NUMBERS for value in values)
        justify: Literal["left", "right"] = "right" if number and is_number else "left"
        made.add_column(Text(column), justify=justify, no_wrap=bool(columns[0]) and number < wide, overflow="fold")
    for row in listed:
        made.add_row(*map(Text, row))
    return made


def _is_number(value: str) -> bool:
    """Whether it begins as one, with its unit or interval perhaps; an instant is none."""
    return value[:1].isdigit() and ":" not in value
