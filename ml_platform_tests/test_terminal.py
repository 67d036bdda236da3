from io import StringIO

from rich.console import Console

from ml_platform.terminal import table


def printed(*rows: tuple[str, ...]) -> list[str]:
    out = Console(file=StringIO(), width=60)
    out.print(table("", ("name", "rows"), rows))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_brackets_in_a_cell_are_shown_and_are_no_markup() -> None:
    assert printed(("[red]a[/red]", "1"))[-1].split() == ["[red]a[/red]", "1"]


def test_numbers_stand_to_the_right_beside_what_stands_for_none() -> None:
    assert [line.split()[-1] for line in printed(("a", "1,000"), ("b", "-"))[-2:]] == ["1,000", "-"]
    assert len({len(line) for line in printed(("a", "1,000"), ("b", "-"))[-2:]}) == 1
