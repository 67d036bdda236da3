"""Column lineage found by experiment, on functions whose lineage is known."""

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import ColumnLineageError
from ml_platform.lineage.columns import Column, ColumnLineage, Function, Tables, observe, sampled

ROWS = 120
NUMBERS = ("a", "b", "c")


def shifts() -> pl.DataFrame:
    """One shift of 120: who worked, three numbers that differ from row to row, and one that never differs."""
    rows = range(ROWS)
    return pl.DataFrame(
        {
            "id": list(rows),
            "team": [f"team {row % 4}" for row in rows],
            "a": [row * 37 % 101 for row in rows],
            "b": [row * 53 % 97 + 1000 for row in rows],
            "c": [float(row * 29 % 89) for row in rows],
            "same": ["x"] * ROWS,
        }
    )


def found(function: Function, key: Sequence[str] = ("id",), **tables: pl.DataFrame) -> dict[str, str]:
    """Column to what it follows from, as `table.column` with spaces between; `rows` stands for which rows there are."""
    return told(observe(function, {"shifts": shifts(), **tables}, key))


def told(lineage: ColumnLineage) -> dict[str, str]:
    def joined(columns: Sequence[Column]) -> str:
        return " ".join(each.name if each.table == "shifts" else ".".join(each) for each in columns)

    return {name: joined(above) for name, above in {**lineage.values, "rows": lineage.rows}.items()}


@st.composite
def expressions(draw: st.DrawFn) -> pl.Expr:
    """A sum, of products by a number, shifts within the frame, and sums over teams, of one to three columns."""
    terms = []
    for name in draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True)):
        term = pl.col(name) * draw(st.integers(1, 1000))
        terms.append(draw(st.sampled_from([term, -term, term.fill_null(7), term.shift(1), term.cum_sum()])))
    return pl.sum_horizontal(terms, ignore_nulls=draw(st.booleans()))


@settings(max_examples=25, deadline=None)
@given(st.lists(expressions(), min_size=1, max_size=4), st.booleans())
def test_the_roots_of_any_expressions_are_found_and_nothing_else(made: list[pl.Expr], turned: bool) -> None:
    columns = {f"made_{number}": expression for number, expression in enumerate(made)}
    seen = found(lambda t: t["shifts"].select("id", **columns).sort("id", descending=turned))
    assert seen == {
        "id": "id",
        "rows": "",
        **{name: " ".join(sorted(each.meta.root_names())) for name, each in columns.items()},
    }


def test_a_column_that_decides_which_rows_there_are_is_told_apart_from_those_that_change_values() -> None:
    seen = found(lambda t: t["shifts"].filter(pl.col("a") > 50).select("id", "b"))
    assert seen == {"id": "id", "b": "b", "rows": "a"}


def test_what_is_filtered_for_nulls_still_shows_where_its_values_go() -> None:
    seen = found(lambda t: t["shifts"].filter(pl.col("a").is_not_null()).select("id", half=pl.col("a") / 2))
    assert seen == {"id": "id", "half": "a", "rows": "a"}


def test_a_group_follows_from_its_name_and_its_mean_from_both() -> None:
    seen = found(lambda t: t["shifts"].group_by("team").agg(pl.col("c").mean()), key=["team"])
    assert seen == {"team": "team", "c": "c team", "rows": "team"}


def test_a_join_that_refuses_nulls_and_repeated_keys_is_found_by_moving_the_values() -> None:
    teams = pl.DataFrame({"team": [f"team {n}" for n in range(40)], "town": [f"town {n}" for n in range(40)]})
    seen = found(
        lambda t: t["shifts"].join(t["teams"], on="team", how="left", validate="m:1").select("id", "town"), teams=teams
    )
    assert (seen["town"], seen["rows"]) == ("team teams.team teams.town", "")


def test_a_column_whose_values_never_differ_is_changed_to_others() -> None:
    assert found(lambda t: t["shifts"].select("id", place=pl.col("same") + "!"))["place"] == "same"


def test_a_column_that_the_function_refuses_any_change_of_decides_whether_there_are_rows() -> None:
    def strict(tables: Tables) -> pl.DataFrame:
        if tables["shifts"]["a"].to_list() != shifts()["a"].to_list():
            raise ValueError("not the sealed numbers")
        return tables["shifts"].select("id")

    assert found(strict) == {"id": "id", "rows": "a"}


def test_a_value_too_rare_for_the_sample_is_not_seen() -> None:
    seen = found(lambda t: t["shifts"].select("id", jackpot=pl.col("a") == 10_000_000, known=pl.col("a").is_null()))
    assert seen == {"id": "id", "jackpot": "a", "known": "a", "rows": ""}  # only null shows it


def test_a_function_that_fails_on_the_sample_says_so_and_shows_no_value() -> None:
    def broken(tables: Tables) -> pl.DataFrame:
        raise ValueError(f"cannot stand {tables['shifts']['same'][0]}")

    with pytest.raises(ColumnLineageError, match="fails on a sample of its inputs: ValueError") as told_of:
        found(broken)
    assert "stand x" not in str(told_of.value)


def test_a_sample_keeps_the_order_and_is_the_same_each_time() -> None:
    drawn = sampled(shifts(), 30)
    assert drawn.height == 30
    assert drawn["id"].is_sorted()
    assert drawn.equals(sampled(shifts(), 30))
