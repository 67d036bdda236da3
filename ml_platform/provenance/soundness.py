"""What the three pipelines of a use case name of one another: tables, columns, models and baselines that have to exist.

Belongs here: names across files, which no location sees by itself. Does not: names within one file, which its component
looks up.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ml_platform.components.places import place, unknown
from ml_platform.serving.component import Deployment
from ml_platform.training.config import ModelConfig

if TYPE_CHECKING:
    from ml_platform.provenance.catalog import Catalog

Field = Sequence[str | int]


class Named(NamedTuple):
    """A name in a file, where it stands, what it is of, and the names that there are."""

    location: str
    field: Field
    what: str
    name: str
    allowed: Sequence[str]


def require_sound(catalog: "Catalog") -> None:
    """Pass if every table, column, model and baseline that a file of the use case names in another is there.

    Raises:
        DefinitionError: one is not; told are file, line, field and the names that there are.
    """
    for each in _named(catalog):
        if each.name not in each.allowed:
            where = place(catalog.use_case.name, each.location, each.field)
            raise unknown(where, each.what, each.name, each.allowed)


def _named(catalog: "Catalog") -> Iterator[Named]:
    if catalog.data is None:
        return
    for number, model in enumerate(catalog.models):
        yield from _of_model(catalog, model, ("models", number))
    if catalog.deployment:
        yield from _of_deployment(catalog, catalog.deployment)


def _of_model(catalog: "Catalog", model: ModelConfig, field: Field) -> Iterator[Named]:
    tables = {name: _own(catalog, kind) for name, kind in (("features", "features"), ("labels", "derived"))}
    yield Named("training", [*field, "features_table"], "table of features", model.features_table, tables["features"])
    yield Named("training", [*field, "labels_table"], "derived table", model.labels_table, tables["labels"])
    features = _columns(catalog, model.features_table)
    labels = _columns(catalog, model.labels_table)
    for number, column in enumerate(model.join_on):
        where = [*field, "join_on", number]
        yield Named("training", where, "column of both tables", column, [each for each in features if each in labels])
    for name in ("label", "day", "known_at"):
        column = getattr(model.labels, name)
        yield Named("training", [*field, "labels", name], f"column of {model.labels_table}", column, labels)
    lists: dict[tuple[str | int, ...], Sequence[str]] = {
        ("not_features",): model.not_features,
        ("report", "slices", "by"): model.report.slices.by,
        **{("baselines", number, "by"): each.by for number, each in enumerate(model.baselines)},
    }
    for path, columns in lists.items():
        for number, column in enumerate(columns):
            yield Named("training", [*field, *path, number], f"column of {model.features_table}", column, features)
    for number, each in enumerate(model.baselines):
        if each.column:
            where = [*field, "baselines", number, "column"]
            yield Named("training", where, f"column of {model.features_table}", each.column, features)
    if model.retraining:
        where = [*field, "retraining", "alarms"]
        yield Named("training", where, "table of alarms", model.retraining.alarms, _own(catalog, "alarms"))


def _of_deployment(catalog: "Catalog", deployment: Deployment) -> Iterator[Named]:
    models = [model.registered_as for model in catalog.models]
    champion, predictions, quality = deployment.champion, deployment.predictions, deployment.quality
    yield Named("serving", ["champion", "registered_model"], "registered model", champion.registered_model, models)
    versions = [f"{model.name}_model_version" for model in catalog.models]
    yield Named("serving", ["champion", "model_version"], "asset of training", champion.model_version, versions)
    config = catalog.model(champion.registered_model)
    baselines = [each.name for each in config.baselines] if config else []
    if predictions.fallback and (name := predictions.fallback.baseline):
        yield Named("serving", ["predictions", "fallback", "baseline"], "baseline of training", name, baselines)
    if deployment.drift and (name := deployment.drift.baseline):
        yield Named("serving", ["drift", "baseline"], "baseline of training", name, baselines)
    features = _own(catalog, "features")
    yield Named("serving", ["predictions", "features"], "table of features", predictions.features, features)
    columns = _columns(catalog, predictions.features)
    where = ["predictions", "partition_column"]
    yield Named("serving", where, f"column of {predictions.features}", predictions.partition_column, columns)
    yield Named("serving", ["quality", "labels"], "derived table", quality.labels, _own(catalog, "derived"))
    labels = _columns(catalog, quality.labels)
    yield Named("serving", ["quality", "label_column"], f"column of {quality.labels}", quality.label_column, labels)


def _own(catalog: "Catalog", kind: str) -> list[str]:
    """Names of the use case's tables of one kind, as its files have them."""
    return [table.name.partition("/")[2] for table in catalog.tables.values() if table.kind == kind]


def _columns(catalog: "Catalog", name: str) -> list[str]:
    table = catalog.tables.get(catalog.name(name))
    return list(table.contract.columns()) if table else []
