"""The demonstration: one use case through the three pipelines, each stage a Dagster run that `make dev` shows.

Belongs here: which stages, in which order. Does not: how they are told (`narrator`), measured (`meter`) or summed up.
"""

import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib import import_module
from threading import Thread

import dagster as dg

from ml_platform.data.keys import Keys
from ml_platform.demo.meter import MemoryMeter, Stopwatch
from ml_platform.demo.narrator import Narrator, printing_into, standing_console
from ml_platform.demo.report import DemoReport, StageReport, write_report
from ml_platform.demo.shown import DEFAULT, Shown, shown
from ml_platform.demo.stages import Stage, perform
from ml_platform.execution.executors import warm_up
from ml_platform.execution.instance import open_instance
from ml_platform.execution.launch import QUIET, CodeLocation, PartitionRange, RunRequest, platform_location, run_job
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.probe import require_storage
from ml_platform.tracking._client import import_quietly

PRELOADED = ("ml_platform.training.definitions",)


def run_demo(settings: Settings, use_case: str = DEFAULT) -> DemoReport:
    """Everything, from landing to the quality of predictions; the report is kept also of a demonstration that failed.

    Raises:
        PlatformError: a stage failed. What earlier stages published stands, and another start finds it done.
    """
    of = shown(use_case)
    require_storage(settings)
    console = standing_console()
    with printing_into(settings.home / "demo.log"), open_instance() as instance, MemoryMeter() as memory:
        warm_up(PRELOADED)
        stages = [
            Stage("Land the source", _land(settings, of)),
            *_runs(instance, of),
        ]
        narrator = Narrator(console, len(stages))
        started_at, watch, done = datetime.now(UTC), Stopwatch(), list[StageReport]()
        for report in perform(stages, narrator):
            done.append(report)
            demo = DemoReport(
                started_at=started_at,
                cores=os.cpu_count() or 1,
                seconds=watch.read().seconds,
                peak_memory_bytes=memory.peak_bytes,
                stages=tuple(done),
            )
            write_report(settings, demo, use_case)
    return demo


def _land(settings: Settings, of: Shown) -> Callable[[Narrator], None]:
    def work(narrator: Narrator) -> None:
        narrator.note("fetching the source")
        of.land(settings, on_progress=lambda done, total: narrator.note(f"{done} of {total} objects"))

    return work


def _runs(instance: dg.DagsterInstance, of: Shown) -> list[Stage]:
    """The Dagster runs, in the order of what they need."""
    name, served = of.use_case.name, of.deployment
    names = ("data", "training", "serving", "operations")
    data, training, serving, operations = (platform_location(name) for name in names)
    landed = {each.by for each in of.catalog.data.landed} if of.catalog.data else set()
    requests = [
        *([("Reference tables", RunRequest(data, f"refresh_{name}_references"))] if "whole" in landed else []),
        ("Daily tables", RunRequest(data, f"build_{name}_days", partitions=of.days)),
    ]
    months = of.as_of_months
    for month in months:
        told = date.fromisoformat(month).strftime("%B" if of.use_case.as_of_every_months == 1 else "%Y")
        requests += [
            (f"Model as of {told}", RunRequest(training, f"train_{name}_{of.model.name}", partitions=month)),
            (f"Champion as of {told}", RunRequest(serving, f"promote_{name}_{served.champion.name}", partitions=month)),
        ]
    model, every = f"{name}_{of.model.name}", PartitionRange(months[0], months[-1])
    requests += [
        (
            "Predictions and their quality",
            RunRequest(serving, f"predict_{name}_{served.predictions.name}", partitions=of.predicted_days),
        ),
        ("Model cards", RunRequest(operations, f"write_{model}_card", partitions=every)),
        ("Data sheets", RunRequest(operations, f"write_{name}_data_sheets")),
        ("ML Test Score", RunRequest(operations, f"score_{model}", partitions=months[-1])),
    ]
    stages = [Stage(title, _run(instance, request)) for title, request in requests]
    first_training = next(i for i, (_, request) in enumerate(requests) if request.location == training)
    stages[first_training] = stages[first_training]._replace(
        work=_beside(_import_for_serving, stages[first_training].work)
    )
    return [*([Stage("Tables by key", _run_keys(instance, of, data))] if "key" in landed else []), *stages]


def _run_keys(instance: dg.DagsterInstance, of: Shown, data: CodeLocation) -> Callable[[Narrator], str]:
    """One run over all keys, which are known once they landed."""
    use_case, job = of.use_case, f"build_{of.use_case.name}_{of.use_case.keys}"

    def work(narrator: Narrator) -> str:
        assert of.catalog.data is not None, "what has keys has tables"
        Keys(StorageLocation.of(Settings()), instance, use_case, of.catalog.data).discover()
        keys = use_case.by_key.get_partition_keys(dynamic_partitions_store=instance)
        return _run(instance, RunRequest(data, job, partitions=PartitionRange(keys[0], keys[-1])))(narrator)

    return work


def _beside(aside: Callable[[], None], work: Callable[[Narrator], str | None]) -> Callable[[Narrator], str | None]:
    """`work`, with `aside` in a thread: for a stage that waits for processes of its own."""

    def both(narrator: Narrator) -> str | None:
        Thread(target=aside, daemon=True).start()
        return work(narrator)

    return both


def _import_for_serving() -> None:
    """What the stages of serving use in this process; importing it takes nine seconds of CPU."""
    import_quietly()
    for module in ("sklearn.ensemble", "skops.io"):
        import_module(module)


def _run(instance: dg.DagsterInstance, request: RunRequest) -> Callable[[Narrator], str]:
    def work(narrator: Narrator) -> str:
        counted: Counter[str] = Counter()

        def tell(event: dg.DagsterEvent) -> None:
            counted[event.event_type_value] += 1
            steps, published = counted["STEP_SUCCESS"], counted["ASSET_MATERIALIZATION"]
            narrator.note(f"{steps} steps done, {published} partitions published" + _at(event))

        return run_job(instance, request._replace(config=QUIET), tell).run_id

    return work


def _at(event: dg.DagsterEvent) -> str:
    return f", at {event.step_key.rpartition('.')[2]}" if event.step_key else ""
