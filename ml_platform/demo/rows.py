"""Where the rows went: what came in, what was published, what was quarantined, counted from the tables themselves.

Only the tables' logs are read, so this is what a reader of the tables sees, whatever the runs reported.
"""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, computed_field

from ml_platform.demo.shown import Shown
from ml_platform.errors import TableNotFoundError
from ml_platform.storage.tables import TableStore


class Audit(NamedTuple):
    """A cleaned table, the raw one that it is made of, and its quarantine."""

    source: str
    table: str
    quarantine: str


def audits(of: Shown) -> list[Audit]:
    """The cleaned tables, in the order in which they are declared."""
    cleaned = of.catalog.data.cleaned if of.catalog.data else ()
    return [Audit(*map(of.table, (each.source, each.name, each.quarantine))) for each in cleaned]


def computed(of: Shown) -> list[str]:
    """The tables that are computed from these: features, labels, predictions, their quality and their drift."""
    data, served = of.catalog.data, of.deployment
    made = [*(each.name for each in data.features), *(each.name for each in data.derived)] if data else []
    made += [each.name for each in data.by_day] if data else []
    watched = [served.drift.name, served.drift.alarms] if served.drift else []
    return [of.table(name) for name in (*made, served.predictions.name, served.quality.name, *watched)]


class AuditedRows(BaseModel):
    """One cleaned table; counts are null where a table was never published."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the cleaned table.")
    partitions: int | None = Field(description="Its published partitions.")
    rows_in: int | None = Field(description="Rows of its source.")
    published: int | None = Field(description="Its rows.")
    quarantined: int | None = Field(description="Rows of its quarantine.")

    @computed_field(description="Rows in = published + quarantined; null while one is missing.")  # type: ignore[prop-decorator]
    @property
    def is_conserved(self) -> bool | None:
        """Rows in = published + quarantined."""
        if self.rows_in is None or self.published is None or self.quarantined is None:
            return None
        return self.rows_in == self.published + self.quarantined


class ComputedRows(BaseModel):
    """One table that is computed from others; counts are null where it was never published."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the table.")
    partitions: int | None = Field(description="Its published partitions.")
    rows: int | None = Field(description="Its rows.")


class TableContent(BaseModel):
    """One published table; the same root anywhere means the same rows, whatever store they are in."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the table.")
    content_root: str = Field(description="Hash over the content of all its partitions, in hexadecimal.")


class _Size(NamedTuple):
    partitions: int | None
    rows: int | None


def count_audited(store: TableStore, of: Shown) -> tuple[AuditedRows, ...]:
    """The cleaned tables, in the order in which they are declared."""
    found = []
    for audit in audits(of):
        size = _size(store, audit.table)
        found.append(
            AuditedRows(
                table=audit.table,
                partitions=size.partitions,
                rows_in=_size(store, audit.source).rows,
                published=size.rows,
                quarantined=_size(store, audit.quarantine).rows,
            )
        )
    return tuple(found)


def count_computed(store: TableStore, of: Shown) -> tuple[ComputedRows, ...]:
    """The computed tables, features first."""
    return tuple(ComputedRows(table=name, **_size(store, name)._asdict()) for name in computed(of))


def read_contents(store: TableStore, of: Shown) -> tuple[TableContent, ...]:
    """Every table that was published: cleaned ones with their sources and quarantines, then computed ones."""
    names = [*(name for audit in audits(of) for name in audit), *computed(of)]
    return tuple(
        TableContent(table=name, content_root=store.content_root(name))
        for name in names
        if store.version(name) is not None
    )


def _size(store: TableStore, name: str) -> _Size:
    try:
        states = store.partitions(name)
    except TableNotFoundError:
        return _Size(None, None)
    return _Size(len(states), sum(state.rows for state in states.values()))
