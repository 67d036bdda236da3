"""The continuity table of docs/online.md: what is lost, wrong or flagged while something fails under load.

Run it with `python -m ml_platform_tests.online.continuity`: a real process over the toy platform, in a fresh folder.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import yaml

from ml_platform.components.references import USE_CASES
from ml_platform.terminal import console, table
from ml_platform_tests.online.processes import Answer, Load, Process, until
from ml_platform_tests.online.scenario import BASELINE, OnlineWorld, batch, flights

CLIENTS = 2
STEADY_ANSWERS = 20


class Row(NamedTuple):
    """One fault: answers meanwhile, and seconds until the service was as it should be."""

    fault: str
    answers: int
    lost: int
    wrong: int
    degraded: int
    seconds: float


class Drill:
    """One process under load, to which things happen."""

    def __init__(self, home: Path) -> None:
        """Version 1 is champion, and answers."""
        self.world = OnlineWorld(home)
        self.world.promote(1)
        self.process = Process(home, _with_a_trial(home / "use_cases"))
        self.rows: list[Row] = []
        self.right = {BASELINE.groups[0].rate, BASELINE.overall_rate}
        self.right |= {batch(version, flights().tail(1))[0] for version in (1, 2, 3)}

    def during(self, fault: str, do: Callable[[], None], is_over: Callable[[list[Answer]], bool]) -> None:
        """Let it happen while clients ask, until it is over and for some answers more."""
        clients = [Load(self.process) for _ in range(CLIENTS)]
        for each in clients:
            each.start()
        until(lambda: len(_of(clients)) >= STEADY_ANSWERS)
        began = time.monotonic()
        do()
        until(lambda: is_over(_of(clients)))
        seconds, so_far = time.monotonic() - began, len(_of(clients))
        until(lambda: len(_of(clients)) >= so_far + STEADY_ANSWERS)
        for each in clients:
            each.stop.set()
            each.join()
        answers = _of(clients)
        served = [each for each in answers if each.status == 200]
        wrong = sum(each.probability not in self.right for each in served)
        degraded = sum(each.is_degraded for each in served)
        self.rows.append(Row(fault, len(answers), len(answers) - len(served), wrong, degraded, seconds))

    def stores(self) -> list[Path]:
        """Where tables, records, registry and models are."""
        uris = (self.world.settings.data_uri, self.world.settings.artifact_uri)
        return [Path(uri.removeprefix("file://")) for uri in uris]

    def verdict(self) -> str:
        """That of the version that is tried on requests; none without one."""
        trial = self.process.ask("GET", "/model")[1]["trial"]
        return str(trial["verdict"]) if trial else ""

    def kill_without_store(self) -> None:
        """Have the process killed while store and registry are gone, and start."""
        self.take_away()
        self.process.kill()

    def take_away(self) -> None:
        """Have the store, and the registry in it, gone."""
        for each in self.stores():
            each.rename(each.with_suffix(".away"))

    def give_back(self) -> None:
        """Have it there again, without what was written meanwhile."""
        for each in self.stores():
            shutil.rmtree(each, ignore_errors=True)
            each.with_suffix(".away").rename(each)


def _with_a_trial(folder: Path) -> Path:
    """The use case flights, whose new versions answer half of the requests before they are promoted."""
    shutil.copytree(USE_CASES / "flights", folder / "flights")
    declared = folder / "flights/serving/defs.yaml"
    content = yaml.safe_load(declared.read_text())
    content["attributes"]["champion"]["trial"] = {"share": 0.5, "requests": 50, "difference": 0.5, "times_as_slow": 100}
    declared.write_text(yaml.safe_dump(content))
    return folder


def _of(clients: list[Load]) -> list[Answer]:
    return [answer for each in clients for answer in each.answers]


def _answers_again(answers: list[Answer]) -> bool:
    return all(each.status == 200 for each in answers[-4:])


def run(folder: Path) -> list[Row]:
    """Every fault in turn."""
    drill = Drill(folder)
    world = drill.world
    try:
        until(lambda: drill.process.version() == 1)
        drill.during("another version is promoted", lambda: _promote(world, 2), lambda _: drill.process.version() == 2)
        drill.during("rollback", lambda: _roll_back(world), lambda _: drill.process.version() == 1)
        drill.during("store and registry gone", drill.take_away, _failed_looks(drill))
        drill.during("store and registry back", drill.give_back, lambda _: _is_up_to_date(drill))
        damaged = "a promoted version is damaged"
        drill.during(damaged, lambda: _promote_damaged(world, 3), lambda now: now[-1].is_degraded)
        drill.during("rollback of it", lambda: _roll_back(world), lambda now: not now[-1].is_degraded)
        drill.during("a version is tried on half", lambda: _wait(world, 2), lambda _: drill.verdict() == "passed")
        damaged = "a damaged version is to be tried"
        drill.during(damaged, lambda: _wait(world, 3, is_damaged=True), lambda _: drill.verdict() == "refused")
        drill.during("the process is killed", drill.process.kill, _has_answered_again)
        away = "the same, and the store is gone"
        drill.during(away, drill.kill_without_store, _has_answered_again)
        drill.during("the store is back", drill.give_back, lambda _: _is_up_to_date(drill))
    finally:
        drill.process.end()
    return drill.rows


def _has_answered_again(answers: list[Answer]) -> bool:
    """Whether some were lost, and then none."""
    return any(each.status != 200 for each in answers) and _answers_again(answers)


def _wait(world: OnlineWorld, version: int, *, is_damaged: bool = False) -> None:
    world.wait(version, is_damaged=is_damaged)


def _promote(world: OnlineWorld, version: int) -> None:
    world.promote(version)


def _promote_damaged(world: OnlineWorld, version: int) -> None:
    world.promote(version, is_damaged=True)


def _roll_back(world: OnlineWorld) -> None:
    world.roll_back()


def _failed_looks(drill: Drill) -> Callable[[list[Answer]], bool]:
    return lambda answers: not _is_up_to_date(drill) and _answers_again(answers)


def _is_up_to_date(drill: Drill) -> bool:
    """Whether a look succeeds now."""
    before = drill.process.ask("GET", "/model")[1]["freshness"]["looked_at"]
    time.sleep(1.0)
    return bool(drill.process.ask("GET", "/model")[1]["freshness"]["looked_at"] != before)


def main() -> None:
    """Run and show."""
    with tempfile.TemporaryDirectory(prefix="ml-platform-") as folder:
        rows = run(Path(folder))
    shown = [(row.fault, *(f"{each:,}" for each in row[1:5]), f"{row.seconds:.1f}") for row in rows]
    console().print(table("", ("what happens", "answers", "lost", "wrong", "degraded", "seconds"), shown))


if __name__ == "__main__":
    main()
