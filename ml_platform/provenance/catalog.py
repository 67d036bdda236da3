"""What the use cases declare in all three locations, read from their files: tables, models, and who reads what.

Belongs here: declarations. Does not: what was published or trained (`card_facts`, `sheet_facts`), or Dagster's view.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import dataframely as dy
import yaml

from ml_platform.components.cuts import By
from ml_platform.components.references import use_case_folders
from ml_platform.components.sound import UseCases, each_of
from ml_platform.components.use_case import UseCase, load_use_case
from ml_platform.components.yaml_check import require_valid
from ml_platform.contracts.columns import personal_columns
from ml_platform.data.audit import Quarantine
from ml_platform.data.component import DataPipeline, DerivedTable, FeatureTable
from ml_platform.data.partitioning import tables_by
from ml_platform.data.pipeline import require_sound as require_sound_pipeline
from ml_platform.errors import DefinitionError, ModelNotFoundError, UnknownAssetError
from ml_platform.evaluation.task import BINARY
from ml_platform.provenance.soundness import require_sound
from ml_platform.serving.component import Deployment
from ml_platform.serving.contract import predictions_contract, quality_contract, receipts_contract
from ml_platform.serving.drift_contract import alarms_contract, drift_contract
from ml_platform.training.config import ModelConfig

Kind = Literal[
    "raw", "clean", "quarantine", "derived", "features", "predictions", "quality", "drift", "alarms", "receipts"
]
SERVED: tuple[Kind, ...] = ("predictions", "quality", "drift", "alarms", "receipts")


class Table(NamedTuple):
    """One table as it is declared."""

    name: str  # with the use case, as on storage
    kind: Kind
    description: str
    contract: type[dy.Schema]
    made_from: tuple[str, ...]
    by: By
    declared_in: str  # the file, for a remedy
    quarantine: str = ""
    landing: str = ""
    source: str = ""
    licence: str = ""
    leaves_out: str = ""
    fresh_within_hours: float | None = None


class Catalog:
    """One use case: its tables and models."""

    def __init__(self, folder: Path) -> None:
        """Read what stands in `folder`.

        Raises:
            DefinitionError: a file is wrong.
        """
        self.folder = folder
        self.use_case: UseCase = load_use_case(folder)
        data, training, serving = (self._attributes(name) for name in ("data", "training", "serving"))
        self.data = DataPipeline.model_validate(data) if data else None
        self.models: tuple[ModelConfig, ...] = tuple(map(ModelConfig.model_validate, training.get("models", ())))
        self.deployment = Deployment.model_validate(serving) if serving else None

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Every table by name, each after those that it is made from."""
        return {table.name: table for table in (*self._landed(), *self._cleaned(), *self._later(), *self._served())}

    @cached_property
    def _by(self) -> Mapping[str, By]:
        return tables_by(self.data) if self.data else {}

    def model(self, registered_as: str) -> ModelConfig | None:
        """The model that is registered under the name; None if another use case has it."""
        return next((model for model in self.models if model.registered_as == registered_as), None)

    def readers(self, table: str) -> list[str]:
        """What is made from the table: other tables, and models by their registered name."""
        models = [m for m in self.models if table in (self.name(m.features_table), self.name(m.labels_table))]
        tables = [each.name for each in self.tables.values() if table in each.made_from]
        return [*tables, *(f"model {model.registered_as}" for model in models)]

    def upstream(self, tables: Sequence[str]) -> list[Table]:
        """`tables` and all that they are made from, sources first."""
        wanted = set(tables)
        for table in reversed(list(self.tables.values())):
            wanted |= set(table.made_from) if table.name in wanted else set()
        return [table for table in self.tables.values() if table.name in wanted]

    def name(self, table: str) -> str:
        """Name of one of the use case's tables on storage."""
        return f"{self.use_case.name}/{table}"

    def file(self, location: str) -> str:
        """The declarations of one location, as a reader finds them."""
        return f"use_cases/{self.use_case.name}/{location}/defs.yaml"

    def require_no_personal_slices(self) -> None:
        """Pass if no report, gate or baseline shows values of a personal column.

        Raises:
            DefinitionError: naming the model, the field and the column.
        """
        for number, model in enumerate(self.models):
            features = self.tables.get(self.name(model.features_table))
            hidden = personal_columns(features.contract) if features else {}
            fields = {"report.slices.by": model.report.slices.by}
            fields |= {f"baselines[{i}].by": baseline.by for i, baseline in enumerate(model.baselines)}
            for field, columns in fields.items():
                if shown := sorted(set(columns) & set(hidden)):
                    raise DefinitionError(
                        f"{self.file('training')}, models[{number}].{field}: reports would show values of personal "
                        f"columns: {', '.join(f'{name} ({hidden[name]})' for name in shown)}",
                        remedy="Take these columns out, or a coarser one that leads to nobody",
                    )

    def require_tables_by_day(self) -> None:
        """Pass if what models learn from, and what is predicted and measured from, are declared tables by day.

        Raises:
            DefinitionError: one is not; told are the file, the field and what to declare instead.
        """
        fields = [
            (self.file("training"), f"models[{number}].{field}", table)
            for number, model in enumerate(self.models)
            for field, table in (("features_table", model.features_table), ("labels_table", model.labels_table))
        ]
        if deployment := self.deployment:
            fields.append((self.file("serving"), "predictions.features", deployment.predictions.features))
            fields.append((self.file("serving"), "quality.labels", deployment.quality.labels))
        by_day = [name for name, by in self._by.items() if by == "day"]
        for file, field, table in fields:
            if self._by and table not in by_day:
                is_by_key = self._by.get(table) == "key"
                raise DefinitionError(
                    f"{file}, {field}: models, predictions and their quality read tables by day",
                    expected=f"one of {', '.join(by_day) or 'none yet'}",
                    got=f"'{table}', which is " + (f"by {self.use_case.keys}" if is_by_key else "no table by day"),
                    remedy=f"Add a table with `source: {table}` to by_day in {self.file('data')}, and name that one"
                    if is_by_key
                    else f"Name one of these, or declare it in {self.file('data')}",
                )

    def _attributes(self, location: str) -> dict[str, Any]:
        path = self.folder / location / "defs.yaml"
        if not path.is_file():
            return {}
        require_valid(path, self.file(location))
        attributes: dict[str, Any] = yaml.safe_load(path.read_text())["attributes"]
        return attributes

    def _table(self, name: str, kind: Kind, description: str, contract: str | type[dy.Schema], **more: Any) -> Table:
        made_from = tuple(self.name(each) for each in more.pop("made_from", ()))
        resolved = self.use_case.resolve(contract) if isinstance(contract, str) else contract
        location = "serving" if kind in SERVED else "data"
        declared_in = self.file(location)
        return Table(self.name(name), kind, description, resolved, made_from, declared_in=declared_in, **more)

    def _landed(self) -> Iterator[Table]:
        for each in self.data.landed if self.data else ():
            facts = {"landing": each.origin, "source": each.source, "licence": each.licence}
            yield self._table(
                each.name,
                "raw",
                each.description,
                each.contract,
                by=each.by,
                fresh_within_hours=each.fresh_within_hours,
                **facts,
            )

    def _cleaned(self) -> Iterator[Table]:
        """References come first: other tables are made with them."""
        cleaned = self.data.cleaned if self.data else ()
        for each in sorted(cleaned, key=lambda table: bool(table.references)):
            made_from, by = (each.source, *each.references), self._by[each.name]
            yield self._table(
                each.name,
                "clean",
                each.description,
                each.contract,
                made_from=made_from,
                by=by,
                quarantine=self.name(each.quarantine),
                fresh_within_hours=each.fresh_within_hours,
            )
            told = f"One row refused by the contract of {self.name(each.name)}, with the rules that it broke."
            yield self._table(each.quarantine, "quarantine", told, Quarantine, made_from=made_from, by=by)

    def _later(self) -> Iterator[Table]:
        for derived in self.data.derived if self.data else ():
            yield self._table(
                derived.name,
                "derived",
                derived.description,
                derived.contract,
                made_from=(derived.source,),
                by=self._by[derived.name],
                leaves_out=derived.leaves_out,
                fresh_within_hours=derived.fresh_within_hours,
            )
        for features in self.data.features if self.data else ():
            made_from = tuple(dict.fromkeys((features.rows, *(history.table for history in features.inputs))))
            yield self._table(
                features.name,
                "features",
                features.description,
                features.contract,
                made_from=made_from,
                by=self._by[features.name],
                fresh_within_hours=features.fresh_within_hours,
            )

        sources = {each.name: each for each in self.data.made} if self.data else {}
        for cut in self.data.by_day if self.data else ():
            source = sources[cut.source]
            yield self._table(
                cut.name,
                "features" if isinstance(source, FeatureTable) else "derived",
                cut.description,
                source.contract,
                made_from=(cut.source,),
                by="day",
                leaves_out=source.leaves_out if isinstance(source, DerivedTable) else "",
                fresh_within_hours=cut.fresh_within_hours,
            )

    def _served(self) -> Iterator[Table]:
        if self.deployment is None:
            return
        predicted, quality = self.deployment.predictions, self.deployment.quality
        features: type[dy.Schema] = self.use_case.resolve(predicted.contract)
        config = self.model(self.deployment.champion.registered_model)
        task = config.task if config else BINARY
        predictions = predictions_contract(features, predicted.row, task)
        yield self._table(
            predicted.name,
            "predictions",
            predicted.description,
            predictions,
            made_from=(predicted.features,),
            by="day",
            fresh_within_hours=predicted.fresh_within_hours,
        )
        yield self._table(
            quality.name,
            "quality",
            quality.description,
            quality_contract(predicted.partition_column, predicted.row, task),
            made_from=(predicted.name, quality.labels),
            by="day",
            fresh_within_hours=quality.fresh_within_hours,
        )
        for sink in predicted.sinks:
            yield self._table(
                sink.name,
                "receipts",
                f"Receipt of one day of {predicted.name}, sent to {sink.destination}.",
                receipts_contract(predicted.partition_column),
                made_from=(predicted.name,),
                by="day",
                fresh_within_hours=sink.fresh_within_hours,
            )
        yield from self._watched(self.deployment)

    def _watched(self, deployment: Deployment) -> Iterator[Table]:
        if (monitor := deployment.drift) is None:
            return
        predicted, day = deployment.predictions, deployment.predictions.partition_column
        yield self._table(
            monitor.name,
            "drift",
            monitor.description,
            drift_contract(day),
            made_from=(predicted.features, predicted.name),
            by="day",
        )
        yield self._table(
            monitor.alarms,
            "alarms",
            monitor.alarms_description,
            alarms_contract(day),
            made_from=(monitor.name, predicted.name, deployment.quality.labels, predicted.features),
            by="day",
        )


def each_catalog(root: Path | None = None, *, strict: bool = False) -> UseCases[Catalog]:
    """Every use case, in the folder that settings name unless there is a `root`; and those that are broken.

    Raises:
        DefinitionError: one is broken, and it is `strict`.
    """
    return each_of(use_case_folders(root), _read, "status, reports and commands", strict=strict)


def read_catalogs(root: Path | None = None) -> list[Catalog]:
    """Every use case that is sound."""
    return list(each_catalog(root).sound)


def _read(folder: Path) -> Catalog:
    """The use case, with everything that it names found.

    Raises:
        DefinitionError: a file is wrong, or names what is not there.
    """
    catalog = Catalog(folder)
    if catalog.data:
        require_sound_pipeline(catalog.data, catalog.use_case)
    require_sound(catalog)
    catalog.require_no_personal_slices()
    catalog.require_tables_by_day()
    return catalog


def declared_contract(table: str) -> type[dy.Schema] | None:
    """The contract of the table; None for one that no use case declares."""
    return next((each.tables[table].contract for each in read_catalogs() if table in each.tables), None)


class DeclaredModel(NamedTuple):
    """A model and the use case that declares it."""

    catalog: Catalog
    config: ModelConfig


def declared_model(catalogs: Sequence[Catalog], registered_as: str) -> DeclaredModel:
    """The model that is registered under the name.

    Raises:
        ModelNotFoundError: no use case declares it.
    """
    for catalog in catalogs:
        if (config := catalog.model(registered_as)) is not None:
            return DeclaredModel(catalog, config)
    known = ", ".join(model.registered_as for catalog in catalogs for model in catalog.models)
    raise ModelNotFoundError(
        f"No use case declares a model that is registered as '{registered_as}'",
        expected=f"one of {known}" if known else "a model in use_cases/<name>/training/defs.yaml",
        got=f"'{registered_as}'",
    )


def catalog_of(catalogs: Sequence[Catalog], table: str) -> Catalog:
    """The use case that declares the table.

    Raises:
        UnknownAssetError: none does.
    """
    for catalog in catalogs:
        if table in catalog.tables:
            return catalog
    known = ", ".join(name for catalog in catalogs for name in catalog.tables)
    raise UnknownAssetError(f"No use case declares a table '{table}'", expected=f"one of {known}", got=f"'{table}'")
