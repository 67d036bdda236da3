"""Everything that the score of one version is computed from, each looked up once, and only if it is of that version.

Belongs here: what counts as evidence of this version, and what is stale. Does not: what a test demands (the modules of
the four sections). A record counts if it has the version's fingerprint; a check, if it was executed in the run that
published the rows in question; a run of tests, if it was of the code as it stands and training is still the code that
made the version; what the score measures itself is of now.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from ml_platform.errors import ReproductionError
from ml_platform.provenance.card_facts import Judged, judgement_of
from ml_platform.provenance.catalog import Table, declared_model
from ml_platform.provenance.evidence import Evidence
from ml_platform.provenance.reproduce import find_predictions
from ml_platform.provenance.reproduction import Predicted
from ml_platform.provenance.score import Finding, Proof, Source
from ml_platform.provenance.tested import TESTS_RECORD, RecordedTests, code_hash, read_tested
from ml_platform.provenance.trace import Run
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.provenance.trace_tables import Published, TableLogs
from ml_platform.serving.component import Deployment
from ml_platform.serving.rungs import load_model
from ml_platform.settings import Settings
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import RegisteredModel, RegistryEvent
from ml_platform.training.records import Origin, TrainedModel
from ml_platform.training.training_run import record_of, training_code

SHOWN_RUNS = 3
RUN_TESTS = "make test"


class Days(NamedTuple):
    """Partitions of a table in one of its versions."""

    table: str
    version: int | None
    keys: Sequence[str]

    def __str__(self) -> str:
        """The table and how many days."""
        days = f"{len(self.keys)} days" if len(self.keys) != 1 else "1 day"
        return f"{self.table}, {days}"


class FeatureStep(NamedTuple):
    """One step that computed features: its commit, and how long it took."""

    group: Published
    seconds: float

    @property
    def days(self) -> int:
        """Days that it computed."""
        return len(self.group.commit.added)


class Loss(NamedTuple):
    """Log loss of a version on a month, nats, and the rows that it is of."""

    value: float
    rows: int


class Stores:
    """Where the facts of any version are looked up; what several versions share is read once."""

    def __init__(
        self,
        settings: Settings,
        evidence: Evidence,
        links: Callable[[], AssetLinks] = AssetLinks.of_platform,
        tests: Path = TESTS_RECORD,
    ) -> None:
        """Look things up in `evidence`, which `settings` place, and the recorded run of tests at `tests`."""
        self.settings, self.evidence, self.tests = settings, evidence, tests
        self.tables = TableLogs(evidence.tables)
        self.links = cache(links)
        self.losses: dict[tuple[str, dt.date], Loss] = {}
        self._models: dict[str, TabularModel] = {}

    def model(self, registered: RegisteredModel) -> TabularModel:
        """The version's model, its bytes verified.

        Raises:
            ObjectCorruptError: they are not the registered ones.
            StorageError: the registered place is not below the platform's artifacts.
        """
        if registered.sha256 not in self._models:
            self._models[registered.sha256] = load_model(registered, self.evidence.artifacts)
        return self._models[registered.sha256]


class Facts:
    """What is known of one registered version."""

    def __init__(self, stores: Stores, name: str, version: int) -> None:
        """Look up version `version` of the model `name`.

        Raises:
            ModelNotFoundError: no such model or version.
            ReproductionError: there is no record of how it was made.
        """
        self.stores, self.evidence, self.history = stores, stores.evidence, stores.evidence.history
        self.declared = declared_model(self.evidence.catalogs, name)
        self.catalog, self.limits = self.declared.catalog, self.declared.config.readiness
        self.registered = self.evidence.tracking.registry.get(name, version)
        document = record_of(self.evidence.artifacts, self.registered.uri, self.registered.fingerprint)
        model = TrainedModel.model_validate_json(document) if document else None
        if model is None or model.origin is None:
            raise ReproductionError(
                f"{name} {version} has no score: there is no record of what it was made from",
                kept="Nothing was changed",
                remedy=f"Train {self.registered.as_of} again, and score the version that comes of it",
            )
        self.model: TrainedModel = model
        self.origin: Origin = model.origin
        self.now = dt.datetime.now(dt.UTC)
        self.tables = stores.tables

    @property
    def deployment(self) -> Deployment | None:
        """Where the model predicts, if it does."""
        deployment = self.catalog.deployment
        is_of_model = deployment and deployment.champion.registered_model == self.registered.name
        return deployment if is_of_model else None

    @property
    def features(self) -> Table:
        """The table of features as it is declared."""
        return self.catalog.tables[self.model.inputs.features.table]

    @cached_property
    def judged(self) -> Judged | None:
        """How the version was evaluated and what the gate said; None if no record of it is left."""
        return judgement_of(self.evidence, self.declared, self.registered)

    @cached_property
    def log(self) -> list[RegistryEvent]:
        """What was decided about the version, oldest first; the whole chain holds.

        Raises:
            RegistryLogTamperedError: it does not.
        """
        events = self.evidence.tracking.registry.log(self.registered.name)
        return [each for each in events if self.registered.version in (each.version, each.instead)]

    @cached_property
    def snapshot(self) -> tuple[Days, Days]:
        """Features and labels that the version was made from."""
        before = self.model.as_of.isoformat()
        features, labels = (
            Days(
                read.table, read.version, [key for key in self.tables.states(read.table, read.version) if key < before]
            )
            for read in (self.model.inputs.features, self.model.inputs.labels)
        )
        return features, labels

    @cached_property
    def predicted(self) -> Predicted | None:
        """The days that stand as this version predicted them; None if it has predicted none."""
        if self.deployment is None:
            return None
        use_case = self.catalog.use_case.name
        found = find_predictions(self.evidence.tables, use_case, self.deployment, self.registered)
        return found if found and found.published else None

    @cached_property
    def predicted_days(self) -> list[str]:
        """These days, sorted."""
        return sorted(day for each in self.predicted.published for day in each.days) if self.predicted else []

    @property
    def served(self) -> Days:
        """These days of the table of predictions, as they stand."""
        return Days(self.predicted.table, None, self.predicted_days) if self.predicted else Days("", None, [])

    def proof(self, what: str, source: Source, reference: str, at: dt.datetime | None = None) -> Proof:
        """A piece of evidence; what has no instant of its own is of now."""
        return Proof(what=what, source=source, reference=reference, at=at or self.now)

    def recorded(self, what: str, kind: str) -> Proof:
        """What the records of the version say; they are as old as the version."""
        name = f"{self.catalog.name(self.declared.config.name)}_{kind} {self.model.as_of}"
        first = next((each.at for each in self.log if each.version == self.registered.version), None)
        return self.proof(what, "record", name, first)

    @cached_property
    def feature_steps(self) -> list[FeatureStep]:
        """The steps that computed the features of the snapshot, as far as the history has them, oldest first."""
        instance, step = self.evidence.instance, self.features.name.replace("/", "__")
        found = [
            FeatureStep(group, each.end_time - each.start_time)
            for group in self.published(self.snapshot[0])
            for each in (instance.get_run_step_stats(group.run_id, [step]) if group.run_id else ())
            if each.start_time and each.end_time
        ]
        return sorted(found, key=lambda each: each.group.commit.committed_at)

    def told(self, run_id: str, what: str) -> Proof | None:
        """A finished run; None if the history does not have it, or it did not end well."""
        run = self.history.run(run_id)
        if run is None or run.status != "SUCCESS":
            return None
        return self.proof(f"{run.job}: {what} in {seconds_of(run):,.0f} s", "run", f"{run_id}", run.ended_at)

    def check(self, name: str, wanted: Sequence[Days], remedy: str) -> Finding:
        """Proven if check `name` passed for every one of the days, in the run that published what stands there."""
        proofs: list[Proof] = []
        lacking: list[str] = []
        for days in wanted:
            for group in self.published(days):
                checks = self.history.checks(group.run_id, days.table) if group.run_id else ()
                if any(check.name == name and check.passed for check in checks):
                    what = f"'{name}' passed on {Days(days.table, days.version, group.keys)}"
                    proofs.append(self.proof(what, "check", f"in run {group.run_id}", group.commit.committed_at))
                else:
                    lacking.append(f"{days.table} {group.keys[0]} to {group.keys[-1]}")
        shown = shortened(proofs)
        if lacking or not proofs:
            told = "; ".join(lacking[:SHOWN_RUNS]) or "nothing that it could have been executed on"
            return Finding.unproven(f"'{name}' was not executed, or did not pass, on {told}", remedy, *shown)
        return Finding.proven(*shown)

    def published(self, days: Days) -> list[Published]:
        """The commits that gave the days the content that they have in that version."""
        return self.tables.published(days.table, days.keys, days.version) if days.keys else []

    @cached_property
    def tests(self) -> "Tests":
        """The recorded run of tests, or why it does not count."""
        tested = read_tested(self.stores.tests)
        if tested is None:
            return Tests(None, "no run of the tests is recorded")
        if tested.code != code_hash():
            return Tests(None, f"the recorded tests of {tested.finished_at:%Y-%m-%d %H:%M} were of other code")
        if changed := changed_definitions(self.origin.code, training_code(self.model.trainer).definitions):
            return Tests(None, f"the version was made by other code than was tested: {', '.join(changed[:3])}")
        return Tests(tested, "")

    def tested(self, what: str, *parts: str) -> Finding:
        """Proven if the recorded tests have some with one of `parts` in their name, and no such test failed."""
        tested, stale = self.tests
        if tested is None:
            return Finding.unproven(stale, RUN_TESTS)
        if failed := [each for each in tested.failed if any(part in each for part in parts)]:
            return Finding.unproven(f"{len(failed)} tests failed, first {failed[0]}", RUN_TESTS)
        passed = tested.passed_in(*parts)
        if not passed:
            return Finding.unproven(f"the recorded run has no tests of {' or '.join(parts)}", RUN_TESTS)
        told = f"{len(passed)} tests of {what} passed on this code"
        return Finding.proven(self.proof(told, "tests", f"of code {tested.code[:12]}", tested.finished_at))


class Tests(NamedTuple):
    """The recorded run of tests if it counts, and why not otherwise."""

    tested: RecordedTests | None
    stale: str


def changed_definitions(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Definitions of training that are not what they were when the version was made."""
    return sorted(name for name in {*recorded, *now} if recorded.get(name) != now.get(name))


def shortened(proofs: Sequence[Proof]) -> list[Proof]:
    """The newest few, and how many there are besides."""
    newest = sorted(proofs, key=lambda each: each.at, reverse=True)
    if len(newest) <= SHOWN_RUNS * 2:
        return newest
    last = newest[SHOWN_RUNS]
    more = last.model_copy(update={"what": f"{last.what}, and {len(newest) - SHOWN_RUNS - 1} more like it"})
    return [*newest[:SHOWN_RUNS], more]


def seconds_of(run: Run) -> float:
    """How long a run took; 0 for one that has not ended."""
    return (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else 0.0
