"""Promotions and days of predictions and of quality as Dagster metadata: what a reader of the UI sees of a partition.

Belongs here: numbers as they are shown. Does not: computing them.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.serving.ladder import Answered
from ml_platform.serving.promotion import Promotion
from ml_platform.serving.scoring import ModelRung
from ml_platform.tracking.registry import RegisteredModel, RegistryEvent

EVENTS_SHOWN = 20


def promotion_metadata(promotion: Promotion, log: Sequence[RegistryEvent]) -> dict[str, dg.MetadataValue[Any]]:
    """What became of the month's version, who answers, who approved, and the last entries of the model's log."""
    champion, candidate = promotion.champion, promotion.candidate
    told = f"version {champion.version}, as of {champion.as_of}" if champion else "none yet"
    said = f"{candidate.approval} by {candidate.approval_by}: {candidate.approval_reason}"
    return {
        "promoted": dg.MetadataValue.bool(promotion.is_promoted),
        "outcome": dg.MetadataValue.text(promotion.outcome.replace("_", " ")),
        "reason": dg.MetadataValue.text(promotion.reason),
        "candidate_version": dg.MetadataValue.int(candidate.version),
        "champion": dg.MetadataValue.text(told),
        **({} if candidate.approval == "none" else {"approval": dg.MetadataValue.text(said)}),
        "registry_log": log_table(log),
        "registry_log_head": dg.MetadataValue.text(log[-1].sha256 if log else ""),
    }


def log_table(log: Sequence[RegistryEvent]) -> dg.TableMetadataValue:
    """The last entries of a model's log, newest first."""
    records = [
        dg.TableRecord(
            {
                "entry": each.sequence,
                "at": f"{each.at:%Y-%m-%d %H:%M:%S} UTC",
                "version": each.version,
                "what": each.action.replace("_", " "),
                "by": each.by,
                "why": each.reason,
            }
        )
        for each in reversed(log[-EVENTS_SHOWN:])
    ]
    types = {"entry": "int", "version": "int"}
    names = ("entry", "at", "version", "what", "by", "why")
    columns = [dg.TableColumn(name, types.get(name, "string")) for name in names]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def quality_by_day(quality: pl.DataFrame, day_column: str) -> dict[str, dict[str, Any]]:
    """The row of each day, four digits of a score; a score that is not defined there is left out."""
    return {
        str(row[day_column]): {name: _shown(value) for name, value in row.items() if _is_told(name, value, day_column)}
        for row in quality.iter_rows(named=True)
    }


def champion_by_day(
    champions: Mapping[dt.date, RegisteredModel], answered: Mapping[dt.date, Answered]
) -> dict[str, dict[str, Any]]:
    """Who predicted each day, and the hash of all that it follows from; the champion where nothing else is said."""
    return {
        day.isoformat(): _told_of(answered[day].by.rung, answered[day].by.version)
        if day in answered
        else _told_of("champion", champion)
        for day, champion in champions.items()
    }


def _told_of(rung: ModelRung, version: RegisteredModel) -> dict[str, Any]:
    return {
        **({} if rung == "baseline" else {"model_version": version.version}),
        "model_as_of": version.as_of.isoformat(),
        "model_fingerprint": version.fingerprint,
        "model_rung": rung,
    }


def _is_told(name: str, value: Any, day_column: str) -> bool:
    is_undefined = value is None or (isinstance(value, float) and math.isnan(value))
    return name != day_column and not is_undefined


def _shown(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
