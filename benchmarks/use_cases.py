"""Definitions of many use cases: what a location costs to load, and how long the UI's server takes to answer.

Belongs here: use cases by the number, and clocks. Does not: what is in one, which `ml-platform new` writes.
"""

import csv
import datetime as dt
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.development import Server, loaded_dagster_dev
from benchmarks.processes import environment
from benchmarks.readings import Reading
from ml_platform.settings import PROJECT_ROOT
from ml_platform.starter.columns import read_file
from ml_platform.starter.plan import Asked, plan
from ml_platform.starter.writing import write

NUMBERS = (1, 10, 100)
LOCATIONS = ("data", "training", "serving", "operations")
START_TIMEOUT_SECONDS = 900.0
ANSWERED_WITHIN_SECONDS = 5.0
TIMES_ASKED = 5
_LOAD = """
import json, resource, sys, time
began, cpu = time.perf_counter(), time.process_time()
import importlib
found = importlib.import_module(sys.argv[1]).defs.get_repository_def()
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
assets = len(found.asset_graph.get_all_asset_keys())
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu, used, assets]))
"""
QUESTIONS = {
    "every asset": "{ assetNodes { id assetKey { path } groupName kinds } }",
    "the graph of all assets": "{ assetNodes { id assetKey { path } dependencyKeys { path } isPartitioned } }",
    "jobs, sensors and schedules": """{ repositoriesOrError { ... on RepositoryConnection { nodes {
        jobs { name } sensors { name } schedules { name } } } } }""",
    "the newest materialization of every asset": """{ assetNodes { id assetMaterializations(limit: 1) { timestamp }
        staleStatus } }""",
}


def measure_use_cases(work: Path, numbers: Sequence[int] = NUMBERS) -> list[Reading]:
    """Loading at each of the numbers; and at the greatest, `dagster dev` from its start to an answer, and its answers.

    Raises:
        CalledProcessError, RuntimeError: a location cannot be loaded.
    """
    readings = [reading for number in numbers for reading in _loads(work, number)]
    most, home = numbers[-1], work / "many_home"
    variables = {"ML_PLATFORM_USE_CASES": str(folder_with(work, most))}
    with loaded_dagster_dev(home, work / "many.log", START_TIMEOUT_SECONDS, variables) as server:
        what = f"{most} use cases: dagster dev, start to an answer with all locations loaded"
        return [*readings, Reading(what=what, value=server.answered_after), *_answers(server, most)]


def folder_with(work: Path, number: int) -> Path:
    """A folder with so many use cases, each as `ml-platform new` writes it."""
    folder = work / f"use_cases_{number}"
    if not folder.exists():
        source = _crossings(work / "crossings.csv")
        for place in range(number):
            write(plan(f"ferries_{place:03}", read_file(source), Asked("cancelled")), folder)
    return folder


def _loads(work: Path, number: int) -> Iterator[Reading]:
    """Each location imported and resolved in a process of its own, as its code server does."""
    variables = {"ML_PLATFORM_USE_CASES": str(folder_with(work, number)), "PYTHONWARNINGS": "ignore"}
    for location in LOCATIONS:
        command = [sys.executable, "-c", _LOAD, f"ml_platform.{location}.definitions"]
        env = environment(work / "many_home") | variables
        told = subprocess.run(command, env=env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
        seconds, cpu_seconds, megabytes, assets = json.loads(told.splitlines()[-1])
        what = f"{number} use cases: {location}, {assets} assets"
        yield Reading(what=f"{what}: loaded", value=seconds)
        yield Reading(what=f"{what}: CPU", value=cpu_seconds)
        yield Reading(what=f"{what}: memory", value=megabytes, unit="MB")


def _answers(server: Server, number: int) -> Iterator[Reading]:
    for what, question in QUESTIONS.items():
        seconds = list[float]()
        for _ in range(TIMES_ASKED):
            began = time.monotonic()
            server.ask(question)
            seconds.append(time.monotonic() - began)
        told = f"{number} use cases: {what}, median of {TIMES_ASKED}"
        yield Reading(what=told, value=median(seconds), at_most=ANSWERED_WITHIN_SECONDS)


def _crossings(path: Path) -> Path:
    """The file of docs/tutorial.md, or one like it: 150 days of ferries that are cancelled in too much wind."""
    chance = random.Random(7)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["date", "ferry", "hour", "wind_forecast_kt", "cancelled"])
        for day in range(150):
            storm = max(0.0, chance.gauss(18, 9))
            for ferry, limit in (("Anna", 30), ("Berit", 36), ("Carl", 26)):
                for hour in (7, 9, 12, 15, 18):
                    wind = round(max(0.0, storm + chance.gauss(0, 3)), 1)
                    date = dt.date(2024, 1, 1) + dt.timedelta(days=day)
                    rows.writerow([date, ferry, hour, wind, str(wind + chance.gauss(0, 4) > limit).lower()])
    return path
