"""The screen of `ml-platform status`, word by word."""

import datetime as dt
from collections.abc import Sequence
from io import StringIO

import pytest
from rich.console import Console

from ml_platform.operations.health import AlertShown, Finding, Health, ModelHealth, TableHealth, UseCaseHealth
from ml_platform.operations.health_text import elapsed, keys, screen

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MODEL = ModelHealth(
    name="toy_delay",
    versions=3,
    champion=2,
    as_of=dt.date(2013, 2, 1),
    promoted_at=NOW - dt.timedelta(days=2),
    last_known_good=1,
)


def table(name: str, published: int = 3, newest: str | None = "2013-01-03") -> TableHealth:
    return TableHealth(
        name=f"toy/{name}", by="day" if newest else "whole", published=published, expected=3, newest=newest, rows=10
    )


TABLES = (table("raw"), table("clean"), table("airports", newest=None), table("features"))


def shown(
    *findings: Finding, model: ModelHealth = MODEL, tables: Sequence[TableHealth] = TABLES, **platform: object
) -> list[str]:
    """The lines of the screen, 100 columns wide, without what is empty on the right."""
    case = UseCaseHealth(name="toy", owners=("team:toy",), tables=tables, models=(model,), findings=findings)
    health = Health.model_validate({"at": NOW, "use_cases": (case,), **platform})
    console = Console(width=100, record=True, file=StringIO())
    console.print(screen(health), highlight=False)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_what_is_fine_takes_a_line() -> None:
    assert shown(daemon_seen_at=NOW) == [
        "toy  team:toy",
        "  fine      4 tables; 3 daily, to 2013-01-03; 1 whole",
        "  model     toy_delay 2 answers, as of 2013-02, champion for 2 days; last known good: 1",
        "",
        "platform",
        "  daemon    alive: schedules, sensors and queued runs are served",
        "  runs      0 at work, 0 queued",
        "  alerts    none open",
        "",
        "Nothing needs a person.",
    ]


def test_tables_by_key_say_of_how_many() -> None:
    parks = TableHealth(name="toy/parks", by="key", published=30, expected=30, newest=None, rows=10)
    lines = shown(tables=[parks, table("airports", newest=None)])
    assert lines[1] == "  fine      2 tables; 1 by key, of 30; 1 whole"


def test_what_is_not_fine_says_which_since_when_and_why() -> None:
    lines = shown(
        Finding(
            state="failed",
            asset="toy/clean",
            partitions=("2013-01-02", "2013-01-03"),
            what="toy/clean 2013-01-02 refused 74 of 737 rows.",
            since=NOW - dt.timedelta(minutes=5),
            error_class="data",
            error="ContractViolatedError",
            run_id="r1",
            also=("toy/features",),
        ),
        Finding(state="late", asset="toy/raw", partitions=("2013-01-04",), what="expected 6 hours after the day"),
        Finding(state="degraded", asset="toy/features", partitions=("2013-01-01",), what="no weather", rung="empty"),
        Finding(state="running", asset="toy/features", partitions=("2013-01-02",), run_id="r2", since=NOW),
        Finding(state="stale", asset="toy/features", partitions=("2013-01-01",), what="toy/clean changed"),
        Finding(state="missing", asset="toy/clean", partitions=("2013-01-01", "2013-01-03")),
        Finding(state="missing", asset="toy/features", partitions=("2013-01-01", "2013-01-03")),
    )
    assert lines[1:19] == [
        "  fine      1 table; 1 whole",
        "  model     toy_delay 2 answers, as of 2013-02, champion for 2 days; last known good: 1",
        "  failed    toy/clean 2013-01-02..2013-01-03 (2 days)  data, ContractViolatedError, for 5 minutes",
        "            toy/clean 2013-01-02 refused 74 of 737 rows.",
        "            with it: toy/features",
        "            run r1",
        "  late      toy/raw 2013-01-04",
        "            expected 6 hours after the day",
        "  degraded  toy/features 2013-01-01  empty",
        "            no weather",
        "  running   toy/features 2013-01-02  for moments",
        "            run r2",
        "  stale     toy/features 2013-01-01",
        "            toy/clean changed",
        "  missing   toy/clean, toy/features 2013-01-01 to 2013-01-03 (2 partitions)",
        "",
        "platform",
        "  daemon    not running: nothing happens by itself",
    ]
    assert lines[-1] == "A person is needed: 1 failed, 1 late, 1 degraded."


def test_alerts_approvals_and_a_daemon_that_is_waited_for_need_a_person() -> None:
    alert = AlertShown(severity="error", subject="toy/clean", what="It failed.", since=NOW, times=1_000)
    waiting = MODEL.model_copy(update={"waiting": (3,)})
    seen_at = NOW - dt.timedelta(hours=3)
    lines = shown(model=waiting, alerts=(alert,), runs_queued=2, daemon_seen_at=seen_at, mlflow_waiting=1)
    assert lines[3:12] == [
        "            version 3 waits: ml-platform approve toy_delay 3 --reason ...",
        "",
        "platform",
        "  daemon    not running: nothing happens by itself; last seen 3 hours ago",
        "  runs      0 at work, 2 queued",
        "  alerts    toy/clean  error, for moments, 1,000 times",
        "            It failed.",
        "  MLflow    has still to be told of 1 training: ml-platform tracking replay",
        "",
    ]
    told = "A person is needed: 1 version waits for approval, 1 alert is open, 2 runs wait for a daemon that is not"
    assert " ".join(lines[-2:]).startswith(told)


@pytest.mark.parametrize(
    ("partitions", "told"),
    [
        (("all",), ""),
        (("2013-01-31",), "2013-01-31"),
        (("2013-01-31", "2013-02-01"), "2013-01-31..2013-02-01 (2 days)"),
        (("2013-10-01", "2013-11-01"), "2013-10-01 to 2013-11-01 (2 partitions)"),
        (("a/b", "c#d"), "a/b to c#d (2 partitions)"),
    ],
)
def test_partitions_are_told_in_a_few_words(partitions: tuple[str, ...], told: str) -> None:
    assert keys(partitions) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(59, "moments"), (60, "1 minute"), (7_199, "1 hour"), (7_200, "2 hours"), (172_800, "2 days")]
)
def test_how_long_is_told_in_the_largest_unit(seconds: int, told: str) -> None:
    assert elapsed(NOW - dt.timedelta(seconds=seconds), NOW) == told
