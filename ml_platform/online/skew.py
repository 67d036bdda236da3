"""Whether what was served is what the batch makes: rows of the log computed again from the same versions of the tables.

Belongs here: computing again, and what differs. Does not: which rows are looked at (`operations.served_check`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from ml_platform.contracts.columns import masked
from ml_platform.errors import PartitionNotPublishedError, TableNotFoundError, VersionDroppedError
from ml_platform.online.declared import Input, OnlineModel
from ml_platform.online.served import VERSIONS
from ml_platform.point_in_time.audit import Leak, find_differences
from ml_platform.point_in_time.features import KnownTable, build_features
from ml_platform.serving.promotion import recorded_promotions
from ml_platform.serving.rungs import load_model
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.models import predict

_PLACE = "place"
_NO_CUT = dt.datetime.max.replace(tzinfo=dt.UTC)


class Skew(NamedTuple):
    """What came out otherwise than it was served, of the rows that could be compared."""

    rows_compared: int
    probabilities_compared: int
    differences: tuple[Leak, ...]

    def told(self) -> list[str]:
        """Each column that differs, with its first row."""
        return [
            f"{each.column}: {each.value_seen} was served, {each.value_masked} by the batch "
            f"({' '.join(map(str, each.key[1:]))}; {each.rows} rows differ)"
            for each in self.differences
        ]


def skew_of(served: pl.DataFrame, model: OnlineModel, tables: TableStore, artifacts: ObjectStore) -> Skew:
    """Rows of the log held against the batch code, to the bit.

    A row is compared once the table of its day has it, and while the versions that it was made from can be read; its
    probability, if a candidate or champion gave it. Requests with other values than the table has later differ too.
    """
    if served.is_empty():
        return Skew(0, 0, ())
    log = served.with_row_index(_PLACE)
    again = [
        _again(rows, model, tables, dict(_versions(versions)))
        for (versions,), rows in log.partition_by(VERSIONS, as_dict=True).items()
    ]
    made = pl.concat(again)
    seen = log.join(made.select(_PLACE), on=_PLACE, how="semi")
    scored = _probabilities(seen, made, model, artifacts)
    key = [_PLACE, *model.features.primary_key()]
    made = masked(made, model.features)
    compared = [name for name in made.columns if name != _PLACE]
    differences = find_differences(seen.select(_PLACE, *compared), made, key, _NO_CUT)
    answered = seen.select(*key, "probability").join(scored.select(_PLACE), on=_PLACE, how="semi")
    told = answered.select(key).join(scored, on=_PLACE, how="left")
    return Skew(seen.height, scored.height, (*differences, *find_differences(answered, told, key, _NO_CUT)))


def _again(rows: pl.DataFrame, model: OnlineModel, tables: TableStore, versions: Mapping[str, int]) -> pl.DataFrame:
    """The features of the rows as the batch makes them of these versions; without those that cannot be made."""
    key, days = list(model.features.primary_key()), rows[model.day_column]
    asked = rows.select(_PLACE, *key)
    try:
        newest = tables.scan(model.rows.table, partitions=_days(days, 0)).collect()
        inputs = {name: _read(each, tables, versions[each.table], days) for name, each in model.inputs.items()}
    except (TableNotFoundError, PartitionNotPublishedError, VersionDroppedError):
        return asked.clear().join(model.features.create_empty(), on=key, how="left")
    spine = KnownTable(newest.join(asked, on=key, how="semi"), model.rows.contract)
    made = build_features(model.function, spine=spine, inputs=inputs, prediction_at=model.prediction_at)
    return asked.join(made, on=key, how="inner")


def _read(table: Input, tables: TableStore, version: int, days: pl.Series) -> KnownTable:
    rows = tables.scan(table.table, version=version, partitions=_days(days, table.look_back_days))
    return KnownTable(rows, table.contract)


def _days(days: pl.Series, back: int) -> list[str]:
    """Each of the days and of those that it looks back on."""
    reach = {day - dt.timedelta(days=each) for day in days.unique().to_list() for each in range(back + 1)}
    return sorted(map(str, reach))


def _probabilities(
    served: pl.DataFrame, features: pl.DataFrame, model: OnlineModel, artifacts: ObjectStore
) -> pl.DataFrame:
    """By place, what the versions that answered say of these features."""
    promotions = recorded_promotions(artifacts, model.champions)
    versions = {each.sha256: each for one in promotions for each in (one.candidate, one.champion) if each is not None}
    parts = [pl.DataFrame(schema={_PLACE: served.schema[_PLACE], "probability": pl.Float64})]
    answered = served.filter(pl.col("model_rung") != "baseline").partition_by("model_sha256", as_dict=True)
    for (sha256,), rows in answered.items():
        if (version := versions.get(str(sha256))) is not None:
            asked = features.join(rows.select(_PLACE), on=_PLACE, how="semi")
            probability = pl.Series("probability", predict(load_model(version, artifacts), asked), dtype=pl.Float64)
            parts.append(asked.select(_PLACE, probability))
    return pl.concat(parts)


def _versions(versions: object) -> Sequence[tuple[str, int]]:
    """The tables of one row of the log with the version of each."""
    pairs = (each.rpartition("@") for each in str(versions).split())
    return [(name, int(version)) for name, _, version in pairs]
