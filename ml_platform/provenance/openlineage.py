"""Runs as OpenLineage events: a run, its steps as runs of their own below it, and the checks of a step below that.

A step reads datasets at a version and writes others; a check of what a step is about to publish is a run that reads
it, since assertions are told of inputs in OpenLineage. Only steps that publish, check or fail are told.

Belongs here: events and their facets. Does not: datasets (`openlineage_datasets`), or sending (`openlineage_delivery`).
Source: https://openlineage.io/spec/2-0-2/OpenLineage.json
"""

import datetime as dt
import importlib.metadata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated.base import JobFacet, RunFacet, set_producer

from ml_platform.provenance.openlineage_datasets import Datasets
from ml_platform.provenance.openlineage_delivery import deliver
from ml_platform.provenance.openlineage_steps import RunStory, StepStory, story_of
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.settings import Settings

JOBS = "ml_platform"
_PRODUCER = "urn:ml-platform"
_ENDS = {
    "complete": event_v2.RunState.COMPLETE,
    "fail": event_v2.RunState.FAIL,
    "abort": event_v2.RunState.ABORT,
}
_TAGS = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
    "dagster/backfill",
    "dagster/parent_run_id",
    "mlflow/run_id",
)


def tell(
    runs: Sequence[dg.RunRecord], to: str | None, instance: DagsterInstance, links: AssetLinks, settings: Settings
) -> str:
    """Events of the runs, delivered; what was delivered and where, in one sentence.

    Raises:
        LineageEndpointError: the endpoint does not take the events.
    """
    return deliver([event for run in runs for event in events_of(run, instance, links, settings)], to, settings)


def events_of(
    record: dg.RunRecord, instance: DagsterInstance, links: AssetLinks, settings: Settings
) -> list[event_v2.RunEvent]:
    """The events of one run and its steps, in the order of their times; one that still runs has no end."""
    set_producer(_PRODUCER)
    story = story_of(record, instance)
    datasets = Datasets(links, settings)
    events = [*_of_run(story, datasets), *(event for step in story.steps for event in _of_step(story, step, datasets))]
    return sorted(events, key=lambda event: event.eventTime)


def _of_run(story: RunStory, datasets: Datasets) -> Iterator[event_v2.RunEvent]:
    run = story.run
    facets: dict[str, RunFacet] = {
        "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet(
            name="dagster",
            version=importlib.metadata.version("dagster"),
            openlineageAdapterVersion=importlib.metadata.version("openlineage-python"),
        )
    }
    tags = [
        facet_v2.tags_run.TagsRunFacetFields(key=name, value=run.tags[name], source="DAGSTER")
        for name in _TAGS
        if name in run.tags
    ]
    if tags:
        facets["tags"] = facet_v2.tags_run.TagsRunFacet(tags=tags)
    made = {name: made for step in story.steps for name, made in step.made.items()}
    inputs = {each.name: each for name, made_here in made.items() for each in datasets.inputs(name, made_here)}
    outputs = [datasets.output(name, made_here) for name, made_here in made.items()]
    for output in outputs:
        inputs.pop(output.name, None)  # made and read within the run
    job = event_v2.Job(JOBS, run.job_name, _job_facets("JOB"))
    yield _event(job, run.run_id, event_v2.RunState.START, story.started_at, facets)
    if story.outcome in _ENDS and story.ended_at:
        end = {**facets, **_error(story.error, "")}
        state = _ENDS[story.outcome]
        yield _event(job, run.run_id, state, story.ended_at, end, list(inputs.values()), outputs)


def _of_step(story: RunStory, step: StepStory, datasets: Datasets) -> Iterator[event_v2.RunEvent]:
    if not (step.made or step.checks or step.error):
        return
    run, run_id = story.run, _below(story.run.run_id, step.key)
    job = event_v2.Job(JOBS, f"{run.job_name}.{step.key}", _job_facets("STEP"))
    facets = _parent(run.run_id, run.job_name, story)
    yield _event(job, run_id, event_v2.RunState.START, step.started_at, facets)
    if step.checks:
        yield from _of_checks(story, step, datasets)
    if step.outcome in _ENDS and step.ended_at:
        inputs = {each.name: each for name, made in step.made.items() for each in datasets.inputs(name, made)}
        outputs = [datasets.output(name, made) for name, made in step.made.items()]
        for output in outputs:
            inputs.pop(output.name, None)
        end = {**facets, **_error(step.error, step.stack)}
        yield _event(job, run_id, _ENDS[step.outcome], step.ended_at, end, list(inputs.values()), outputs)


def _of_checks(story: RunStory, step: StepStory, datasets: Datasets) -> Iterator[event_v2.RunEvent]:
    """A run that succeeded when the checks were executed, whatever they found."""
    name = f"{story.run.job_name}.{step.key}"
    job = event_v2.Job(JOBS, f"{name}.checks", _job_facets("TEST"))
    run_id, ended = _below(story.run.run_id, f"{step.key}/checks"), step.ended_at or step.started_at
    checked = [datasets.checked(asset, step.made.get(asset, []), checks) for asset, checks in step.checks.items()]
    facets = _parent(_below(story.run.run_id, step.key), name, story)
    yield _event(job, run_id, event_v2.RunState.START, step.started_at, facets)
    yield _event(job, run_id, event_v2.RunState.COMPLETE, ended, facets, checked)


def _event(
    job: event_v2.Job,
    run_id: str,
    state: event_v2.RunState,
    at: dt.datetime,
    facets: Mapping[str, RunFacet],
    inputs: Sequence[event_v2.InputDataset] = (),
    outputs: Sequence[event_v2.OutputDataset] = (),
) -> event_v2.RunEvent:
    return event_v2.RunEvent(
        eventType=state,
        eventTime=at.isoformat(),
        run=event_v2.Run(run_id, dict(facets)),
        job=job,
        inputs=list(inputs),
        outputs=list(outputs),
        producer=_PRODUCER,
    )


def _job_facets(kind: str) -> dict[str, JobFacet]:
    facet: Any = facet_v2.job_type_job.JobTypeJobFacet(processingType="BATCH", integration="DAGSTER", jobType=kind)
    return {"jobType": facet}


def _parent(run_id: str, job: str, story: RunStory) -> dict[str, RunFacet]:
    parents = facet_v2.parent_run
    root = parents.Root(
        run=parents.RootRun(runId=story.run.run_id), job=parents.RootJob(namespace=JOBS, name=story.run.job_name)
    )
    parent = parents.ParentRunFacet(run=parents.Run(runId=run_id), job=parents.Job(namespace=JOBS, name=job), root=root)
    return {"parent": parent}


def _error(message: str, stack: str) -> dict[str, RunFacet]:
    if not message:
        return {}
    facet = facet_v2.error_message_run.ErrorMessageRunFacet(
        message=message, programmingLanguage="python", stackTrace=stack or None
    )
    return {"errorMessage": facet}


def _below(run_id: str, part: str) -> str:
    """The id of a part of a run: the same whenever it is told."""
    return str(uuid.uuid5(uuid.UUID(run_id), part))
