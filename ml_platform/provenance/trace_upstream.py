"""From a result back to the landing objects: each step by the versions that were read, not by what stands now.

Belongs here: which step comes before which. Does not: the evidence of one step (`trace_steps`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import polars as pl
from deltalake.exceptions import DeltaError
from pydantic import JsonValue

from ml_platform.errors import StorageError, UnknownAssetError
from ml_platform.provenance.trace import Step, Trace
from ml_platform.provenance.trace_history import Made
from ml_platform.provenance.trace_models import (
    Answering,
    ModelRecords,
    decision_facts,
    promotion_facts,
    training_facts,
    version_facts,
)
from ml_platform.provenance.trace_rows import RowKey, find_row, row_facts
from ml_platform.provenance.trace_steps import Evidence, Origin, Steps
from ml_platform.serving.promotion import Promotion
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.content import root_hash
from ml_platform.training.records import ModelVersion, TableRead, TrainedModel

TOLD_ONE_BY_ONE = 3  # commits; where there are more, their partitions are told as one step
_MODEL_COLUMNS = ("model_fingerprint", "model_as_of")

Selection = Mapping[int, Sequence[str]]  # version -> the partitions that were read in it


def trace_upstream(
    evidence: Evidence, name: str, keys: Sequence[str], *, row: Mapping[str, str] | None = None
) -> Trace:
    """Everything that the newest content of partitions of a table, or one record, follows from.

    Raises:
        UnknownAssetError: there is no such asset, or nothing of it is published for `keys`.
        RowNotFoundError: not exactly one row has the values `row`.
    """
    return _Upstream(evidence).trace(name, keys, row)


class _Upstream:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._steps = Steps(evidence)
        self._records = ModelRecords(evidence.artifacts)
        self._row: RowKey | None = None

    def trace(self, name: str, keys: Sequence[str], row: Mapping[str, str] | None) -> Trace:
        links, tables = self._evidence.links, self._evidence.tables
        if links.kind(name) == "record":
            start = self._record(name, keys[0])
        else:
            version = tables.newest(name)
            if version is None or not set(keys) & set(tables.states(name)):
                raise _nothing_published(name, keys)
            if row:
                self._row = find_row(tables.tables, name, keys[0], links.columns(name), row)
            start = self._whole(name, {version: keys})
        found = self._steps
        return Trace(direction="upstream", start=start, steps=tuple(found.found.values()), links=tuple(found.links))

    def _whole(self, name: str, selection: Selection) -> str:
        """The step that a trace begins with, told as one whatever it was made by."""
        origins = self._steps.origins(name, selection)
        return self._table_step(name, origins)

    def _table(self, name: str, selection: Selection, role: str, target: str) -> None:
        """Steps of the partitions that were read in each version, and all that they follow from."""
        origins = self._steps.origins(name, selection)
        cut_off = {
            version: keys for version, keys in selection.items() if not self._evidence.tables.states(name, version)
        }
        for version, keys in cut_off.items():
            said = f"Version {version} of {name} is not in its log any more."
            unknown = self._steps.unknown_step(name, sorted(keys), said)
            self._steps.add(unknown)
            self._steps.link(unknown.id, target, role)
        bundles = [[each] for each in origins] if len(origins) <= TOLD_ONE_BY_ONE else [origins]
        for bundle in bundles:
            self._steps.link(self._table_step(name, bundle), target, role)

    def _table_step(self, name: str, origins: Sequence[Origin]) -> str:
        step = self._steps.table_step(name, origins)
        step = step.model_copy(update={"facts": {**step.facts, **self._row_of(name, origins)}})
        if self._steps.add(step):
            for parent in self._evidence.links.parents(name):
                self._parent(name, origins, parent, step)
        return step.id

    def _row_of(self, name: str, origins: Sequence[Origin]) -> dict[str, JsonValue]:
        only = origins[0]
        if self._row is None or len(origins) > 1 or only.group.keys != (self._row.partition,):
            return {}
        columns = self._evidence.links.columns(name)
        return {**row_facts(self._evidence.tables.tables, name, only.version, self._row, columns)}

    def _parent(self, name: str, origins: Sequence[Origin], parent: str, step: Step) -> None:
        kind = self._evidence.links.kind(parent)
        if kind == "landing":
            landed = self._steps.landing_step(parent, name, origins)
            self._steps.add(landed)
            self._steps.link(landed.id, step.id, "ingested from")
        elif kind == "table":
            self._parent_table(name, origins, parent, step)
        else:
            self._parent_record(name, origins, parent, step)

    def _parent_table(self, name: str, origins: Sequence[Origin], parent: str, step: Step) -> None:
        """The partitions of the parent that were read: the same ones, and others such as the days before."""
        same: dict[int, set[str]] = defaultdict(set)
        others: dict[int, set[str]] = defaultdict(set)
        unknown: set[str] = set()
        for origin in origins:
            version = origin.read_versions.get(parent)
            there = self._evidence.tables.states(parent, version)
            keys = set(self._evidence.links.partitions_read(name, origin.group.keys, parent, there))
            if version is None:
                unknown |= keys
                continue
            own = keys & {*origin.group.keys, UNPARTITIONED} or keys  # a day of tables by key has no like among these
            same[version] |= own
            others[version] |= keys - own - same[version]
        for selection, role in ((same, "made from"), (others, "looked back to")):
            chosen = {version: sorted(keys) for version, keys in selection.items() if keys}
            if chosen:
                self._table(parent, chosen, role, step.id)
        if unknown:
            lost = self._steps.unknown_step(parent, sorted(unknown), "Which version was read is not known any more.")
            self._steps.add(lost)
            self._steps.link(lost.id, step.id, "made from")

    def _parent_record(self, name: str, origins: Sequence[Origin], parent: str, step: Step) -> None:
        """The model behind predictions; a record of another kind as it stands."""
        if self._evidence.links.record_type(parent) != "Promotion":
            self._steps.link(self._record(parent, origins[0].group.keys[-1]), step.id, "made from")
            return
        for origin in origins:
            for days in self._days_by_model(name, origin):
                self._answering(name, origin, parent, days, step)

    def _days_by_model(self, name: str, origin: Origin) -> list[tuple[str, str, str]]:
        """Fingerprint of each model that predicted, its as-of month, and the last of its days."""
        tables, keys = self._evidence.tables.tables, origin.group.keys
        try:
            rows = tables.scan(name, version=origin.version, partitions=keys).select(_MODEL_COLUMNS).unique().collect()
        except (FileNotFoundError, DeltaError, StorageError, pl.exceptions.PolarsError):
            told = origin.made.metadata if origin.made else {}
            if "model_fingerprint" not in told:
                return []
            return [(str(told["model_fingerprint"]), str(told["model_as_of"]), keys[-1])]
        return [(fingerprint, str(as_of), keys[-1]) for fingerprint, as_of in sorted(rows.iter_rows())]

    def _answering(self, name: str, origin: Origin, promotions: str, model: tuple[str, str, str], step: Step) -> None:
        fingerprint, as_of, day = model
        months = [each for each in self._evidence.links.partitions_read(name, [day], promotions) if each <= day]
        answering = self._records.answering(promotions, months, fingerprint)
        if answering is None:
            lost = self._steps.unknown_step(promotions, [as_of], "There is no promotion record any more.")
            self._steps.add(lost)
            self._steps.link(lost.id, step.id, "predicted by")
            return
        by_then = [
            each
            for each in self._evidence.history.made(promotions, [answering.as_of])
            if each.at <= origin.group.commit.committed_at
        ]
        facts = promotion_facts(answering, fingerprint)
        found = self._steps.record_step(promotions, answering.as_of, next(iter(by_then), None), facts)
        if self._steps.add(found):
            for asset in self._of_type(promotions, "ModelVersion"):
                version = self._version(asset, as_of, fingerprint, answering.promotion.candidate.name)
                self._steps.link(version, found.id, "promoted")
        self._steps.link(found.id, step.id, "predicted by")

    def _version(self, asset: str, as_of: str, fingerprint: str, model: str = "") -> str:
        """The registered version, and the training that it came from; `model` is its name, where that is known."""
        record = self._records.read(ModelVersion, asset, as_of)
        is_same = record is not None and record.fingerprint == fingerprint
        facts = version_facts(record) if record and is_same else {}
        decisions = self._records.decisions(model or (record.name if record else ""), fingerprint)
        said = [] if is_same else [f"The record of {as_of} tells of another model now, with what the gate found."]
        said += [decisions.broken] if decisions.broken else []
        made = self._first_made(asset, as_of, fingerprint)
        found = self._steps.record_step(asset, as_of, made, facts | decision_facts(decisions))
        found = found.model_copy(update={"missing": (*found.missing, *said)})
        if self._steps.add(found):
            self._training(asset, as_of, fingerprint, found)
        return found.id

    def _training(self, version: str, as_of: str, fingerprint: str, target: Step) -> None:
        for asset in self._of_type(version, "TrainedModel"):
            self._steps.link(self._model(asset, as_of, fingerprint), target.id, "registered")
        for asset in self._of_type(version, "ModelEvaluation"):
            # an evaluation is of the run that registered: nothing else ties it to this model
            mine = target.run.run_id if target.run else None
            made = [each for each in self._evidence.history.made(asset, [as_of]) if each.run_id == mine]
            found = self._steps.record_step(asset, as_of, next(iter(made), None), {})
            self._steps.add(found)
            self._steps.link(found.id, target.id, "judged by")

    def _model(self, asset: str, as_of: str, fingerprint: str) -> str:
        model = self._records.trained(asset, as_of, fingerprint)
        made = self._first_made(asset, as_of, fingerprint)
        facts = training_facts(self._records.tracked(model), self._records.bytes_now(model)) if model else {}
        found = self._steps.record_step(asset, as_of, made, facts)
        if model is None:
            said = f"There is no record of the training with fingerprint {fingerprint} any more."
            found = found.model_copy(update={"missing": (*found.missing, said)})
        else:
            found = found.model_copy(
                update={"content": model.sha256, "missing": (*found.missing, *self._tampered(model))}
            )
        if self._steps.add(found) and model:
            for read in (model.inputs.features, model.inputs.labels):
                self._table(read.table, {read.version: self._snapshot(model, read)}, "trained on", found.id)
        return found.id

    def _snapshot(self, model: TrainedModel, read: TableRead) -> list[str]:
        return [key for key in self._evidence.tables.states(read.table, read.version) if key < model.as_of.isoformat()]

    def _tampered(self, model: TrainedModel) -> tuple[str, ...]:
        """What the logs tell otherwise than the training recorded."""
        said = []
        for read in (model.inputs.features, model.inputs.labels):
            states = self._evidence.tables.states(read.table, read.version)
            root = root_hash({key: states[key].content_hash for key in self._snapshot(model, read)})
            if states and root != read.content_root:
                said.append(f"{read.table} version {read.version} has content root {root} and not {read.content_root}.")
        return tuple(said)

    def _record(self, asset: str, key: str) -> str:
        """A record as it stands, and for those of models what they follow from."""
        match self._evidence.links.record_type(asset):
            case "TrainedModel" if model := self._records.read(TrainedModel, asset, key):
                return self._model(asset, key, model.fingerprint)
            case "ModelVersion" if version := self._records.read(ModelVersion, asset, key):
                return self._version(asset, key, version.fingerprint)
        made = self._evidence.history.made(asset, [key])
        if not made:
            raise _nothing_published(asset, [key])
        found = self._steps.record_step(asset, key, made[0], self._facts(asset, key))
        if self._steps.add(found):
            for parent in self._evidence.links.parents(asset):
                if self._evidence.links.kind(parent) == "record":
                    self._steps.link(self._record(parent, key), found.id, "made from")
        return found.id

    def _facts(self, asset: str, key: str) -> dict[str, JsonValue]:
        if self._evidence.links.record_type(asset) != "Promotion":
            return {}
        promotion = self._records.read(Promotion, asset, key)
        return promotion_facts(Answering(key, promotion, is_same=True), "") if promotion else {}

    def _first_made(self, asset: str, key: str, fingerprint: str) -> Made | None:
        """The materialization that first told of the fingerprint: later ones found the result and reused it."""
        made = self._evidence.history.made(asset, [key])
        return next((each for each in reversed(made) if each.metadata.get("fingerprint") == fingerprint), None)

    def _of_type(self, asset: str, record_type: str) -> list[str]:
        links = self._evidence.links
        records = [parent for parent in links.parents(asset) if links.kind(parent) == "record"]
        return [parent for parent in records if links.record_type(parent) == record_type]


def _nothing_published(name: str, keys: Sequence[str]) -> UnknownAssetError:
    return UnknownAssetError(
        f"Nothing of {name} is there for {keys[0] if len(keys) == 1 else f'{keys[0]} to {keys[-1]}'}.",
        remedy=f"Materialize {name} for it first, or ask for a partition that is published.",
    )
