"""From a landing object, or partitions of a table, to everything that they touched: tables, models and predictions.

Belongs here: which step comes after which, of what stands now. Does not: the evidence of one step (`trace_steps`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from pydantic import JsonValue

from ml_platform.errors import StorageError, UnknownAssetError
from ml_platform.provenance.trace import Partitions, Step, Trace
from ml_platform.provenance.trace_models import ModelRecords, decision_facts, training_facts, version_facts
from ml_platform.provenance.trace_steps import Evidence, Origin, Steps
from ml_platform.serving.promotion import Promotion
from ml_platform.training.records import ModelVersion, TableRead, TrainedModel

_FINGERPRINT = "model_fingerprint"


def trace_downstream(evidence: Evidence, name: str, keys: Sequence[str]) -> Trace:
    """Everything that stands and was made from partitions of `name`; each step says of which content.

    Raises:
        UnknownAssetError: there is no such asset, or nothing of it is published for `keys`.
    """
    return _Downstream(evidence).trace(name, keys)


class _Touched(NamedTuple):
    """Partitions on the way, with the content that counts as theirs: what stands now."""

    name: str
    keys: tuple[str, ...]


class _Downstream:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._steps = Steps(evidence)
        self._records = ModelRecords(evidence.artifacts)

    def trace(self, name: str, keys: Sequence[str]) -> Trace:
        kind = self._evidence.links.kind(name)
        if kind == "landing":
            start = self._landing(name, keys)
        elif kind == "record":
            start = self._record(name, keys[0])
        else:
            start = self._table(name, keys, None)
        if start is None:
            raise UnknownAssetError(
                f"Nothing of {name} is published for {Partitions.of(keys)}.",
                remedy="Materialize the table first, or ask for what is there.",
            )
        found = self._steps
        return Trace(direction="downstream", start=start, steps=tuple(found.found.values()), links=tuple(found.links))

    def _landing(self, name: str, keys: Sequence[str]) -> str | None:
        """The objects that stand in the raw tables made from them."""
        for raw in self._evidence.links.children(name):
            newest = self._evidence.tables.newest(raw)
            origins = self._steps.origins(raw, {newest: keys}) if newest is not None else []
            if origins:
                landed = self._steps.landing_step(name, raw, origins)
                self._steps.add(landed)
                self._table(raw, keys, (landed.id, "ingested into"))
                return landed.id
        return None

    def _table(self, name: str, keys: Sequence[str], source: tuple[str, str] | None) -> str | None:
        """The step of the partitions that stand, and all that follows from them."""
        newest = self._evidence.tables.newest(name)
        origins = self._steps.origins(name, {newest: keys}) if newest is not None else []
        if not origins:
            return None
        step = self._steps.table_step(name, origins)
        if source:
            step = step.model_copy(update={"facts": {**step.facts, **self._made_of(name, origins, source)}})
        if self._steps.add(step):
            touched = _Touched(name, tuple(sorted({key for each in origins for key in each.group.keys})))
            self._follow(touched, step)
        if source:
            self._steps.link(source[0], step.id, source[1])
        return step.id

    def _follow(self, touched: _Touched, step: Step) -> None:
        links = self._evidence.links
        for child in links.children(touched.name):
            if links.kind(child) == "table":
                keys = links.partitions_made(touched.name, touched.keys, child)
                self._table(child, keys, (step.id, "made into"))
            elif links.record_type(child) == "TrainedModel":
                self._models(child, touched, step)

    def _made_of(self, name: str, origins: Sequence[Origin], source: tuple[str, str]) -> dict[str, JsonValue]:
        """Which of the partitions were made from other content of the source than stands now."""
        parent = self._steps.found[source[0]]
        if parent.kind != "table":
            return {"made_from_other_content": [], "source_is_out_of_date": True} if _is_out_of_date(parent) else {}
        stale = [key for origin in origins for key in self._stale_keys(name, origin, parent.name)]
        return {"made_from_other_content": [*sorted(stale)], "source_is_out_of_date": _is_out_of_date(parent)}

    def _stale_keys(self, name: str, origin: Origin, parent: str) -> list[str]:
        version = origin.read_versions.get(parent)
        if version is None:
            return list(origin.group.keys)
        read, there = self._evidence.links.partitions_read, self._evidence.tables.states(parent, version)
        changed = set(self._evidence.tables.changed(parent, read(name, origin.group.keys, parent, there), version))
        return [key for key in origin.group.keys if changed & set(read(name, [key], parent, there))]

    def _models(self, asset: str, touched: _Touched, step: Step) -> None:
        """Every finished training whose snapshot has one of the partitions, and what it predicted."""
        for model in self._records.trainings(asset):
            for read in (model.inputs.features, model.inputs.labels):
                if read.table == touched.name and (keys := self._trained_on(model, read, touched)):
                    changed = self._evidence.tables.changed(read.table, keys, read.version)
                    trained = self._model(asset, model, changed, is_out_of_date=_is_out_of_date(step))
                    self._steps.link(step.id, trained, "trained into")

    def _trained_on(self, model: TrainedModel, read: TableRead, touched: _Touched) -> list[str]:
        held = self._evidence.tables.states(read.table, read.version)
        return [key for key in touched.keys if key in held and key < model.as_of.isoformat()]

    def _record(self, name: str, key: str) -> str | None:
        """The model that a record is about."""
        links, read = self._evidence.links, self._records.read
        if links.record_type(name) == "TrainedModel":
            model = read(TrainedModel, name, key)
            return self._model(name, model) if model else None
        promotion = read(Promotion, name, key) if links.record_type(name) == "Promotion" else None
        version = read(ModelVersion, name, key) if links.record_type(name) == "ModelVersion" else None
        about = version or (promotion.champion if promotion else None)
        if about is None:
            return None
        of_model = {
            asset: self._records.trained(asset, about.as_of.isoformat(), about.fingerprint)
            for asset in links.of_record_type("TrainedModel")
        }
        return next((self._model(asset, trained) for asset, trained in of_model.items() if trained), None)

    def _model(
        self, asset: str, model: TrainedModel, changed: Sequence[str] = (), *, is_out_of_date: bool = False
    ) -> str:
        """The step of a model; `changed` are partitions of its snapshot that are other now."""
        as_of = model.as_of.isoformat()
        made = [
            each
            for each in self._evidence.history.made(asset, [as_of])
            if each.metadata.get("fingerprint") == model.fingerprint
        ]
        facts = training_facts(self._records.tracked(model), self._records.bytes_now(model))
        if changed or is_out_of_date:
            facts["source_is_out_of_date"] = True
        found = self._steps.record_step(asset, as_of, made[-1] if made else None, facts)
        own = {"id": f"{asset}:{model.fingerprint[:12]}", "content": model.sha256, "changed_since": tuple(changed)}
        found = found.model_copy(update=own)
        if self._steps.add(found):
            self._version(asset, model, found)
        return found.id

    def _version(self, asset: str, model: TrainedModel, step: Step) -> None:
        links = self._evidence.links
        for child in links.children(asset):
            if links.kind(child) != "record" or links.record_type(child) != "ModelVersion":
                continue
            source = self._registered(child, model, step)
            for promotions in links.children(child):
                self._predictions(promotions, model, source)

    def _registered(self, asset: str, model: TrainedModel, step: Step) -> Step:
        """The version of the model; the model itself if neither record nor log tells of one."""
        as_of = model.as_of.isoformat()
        record = self._records.read(ModelVersion, asset, as_of)
        facts = version_facts(record) if record and record.fingerprint == model.fingerprint else {}
        if record:
            facts |= decision_facts(self._records.decisions(record.name, model.fingerprint))
        if not facts:
            return step
        if _is_out_of_date(step):
            facts["source_is_out_of_date"] = True
        made = [
            each
            for each in self._evidence.history.made(asset, [as_of])
            if each.metadata.get("fingerprint") == model.fingerprint
        ]
        found = self._steps.record_step(asset, as_of, made[-1] if made else None, facts)
        self._steps.add(found)
        self._steps.link(step.id, found.id, "registered as")
        return found

    def _predictions(self, promotions: str, model: TrainedModel, source: Step) -> None:
        """The days that the model predicted, by what their rows say."""
        for table in self._evidence.links.children(promotions):
            if self._evidence.links.kind(table) != "table":
                continue
            if days := self._days_predicted(table, model.fingerprint):
                self._table(table, days, (source.id, "predicted"))

    def _days_predicted(self, table: str, fingerprint: str) -> list[str]:
        states = self._evidence.tables.states(table)
        if not states:
            return []
        try:
            rows = self._evidence.tables.tables.scan(table)
            if _FINGERPRINT not in rows.collect_schema():
                return []
        except StorageError:
            return []
        day = self._evidence.links.partition_column(table)
        found = rows.filter(pl.col(_FINGERPRINT) == fingerprint).select(pl.col(day).cast(pl.String).unique()).collect()
        return sorted(found.to_series().to_list())


def _is_out_of_date(step: Step) -> bool:
    return bool(step.facts.get("made_from_other_content") or step.facts.get("source_is_out_of_date"))
