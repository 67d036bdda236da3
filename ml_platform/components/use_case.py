"""The use case that a component belongs to: its calendar and owner, read from `use_case.yaml` beside its folders."""

import datetime as dt
import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ml_platform.components.cuts import By
from ml_platform.components.names import PartitionNoun
from ml_platform.components.references import FILE_NAME, make_importable, resolve
from ml_platform.errors import DefinitionError, ErrorClass
from ml_platform.recovery.error_classes import type_name
from ml_platform.recovery.retries import Idempotency, StepRetries
from ml_platform.typed_yaml import load_typed


class UseCase(BaseModel):
    """One use case: what all of its three pipelines agree on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="Name of the folder; the first part of every asset key.", pattern=r"^[a-z][a-z0-9_]*$"
    )
    description: str = Field(description="The question that the use case answers, in one sentence.")
    owners: list[str] = Field(description="Who is asked and alerted: e-mail addresses, or `team:<name>`.")
    timezone: str = Field(description="IANA time zone in which a day and a month begin.")
    first_day: dt.date = Field(description="First day that the landing zone has.")
    last_day: dt.date | None = Field(None, description="Last day of a closed data set; open-ended when absent.")
    first_as_of_month: dt.date = Field(description="First day of the first month for which a model is trained.")
    keys: PartitionNoun | None = Field(
        None,
        description="What landing objects named by `{key}` are of, in the plural, such as car_parks: a table of "
        "them has a partition for each key that is found in the landing zone.",
    )
    as_of_every_months: Literal[1, 2, 3, 4, 6, 12] = Field(
        1, description="Months from one model to the next: 12 trains one a year, which is tested on that year."
    )

    error_classes: Mapping[str, ErrorClass] = Field(
        default_factory=dict,
        description="The class of errors that the platform does not know, subclasses included: `module:Name` of the "
        "use case's folder, or the dotted path of a library's.",
    )

    @field_validator("timezone")
    @classmethod
    def require_time_zone(cls, value: str) -> str:
        """Refuse a name that is no IANA time zone."""
        if value not in available_timezones():
            near = get_close_matches(value, available_timezones(), n=1)
            raise ValueError(f"there is no time zone '{value}'" + (f" (did you mean {near[0]}?)" if near else ""))
        return value

    @property
    def by_day(self) -> dg.DailyPartitionsDefinition:
        """One partition for each local day of the data."""
        end = self.last_day + dt.timedelta(days=1) if self.last_day else None
        return dg.DailyPartitionsDefinition(
            start_date=self.first_day.isoformat(),
            end_date=end.isoformat() if end else None,
            timezone=self.timezone,
        )

    @property
    def by_key(self) -> dg.DynamicPartitionsDefinition:
        """One partition for each key that was found in the landing zone; all use cases share one list of such names.

        Raises:
            DefinitionError: the use case does not say what its keys are.
        """
        if self.keys is None:
            raise DefinitionError(
                f"use_cases/{self.name} has tables by `{{key}}` and does not say what the keys are",
                remedy=f"Add `keys: <noun in the plural>` to use_cases/{self.name}/{FILE_NAME}, such as car_parks",
            )
        return dg.DynamicPartitionsDefinition(name=f"{self.name}_{self.keys}")

    def partitions(self, by: By) -> dg.PartitionsDefinition | None:
        """The partitions of a table that is cut so; none of one that is whole.

        Raises:
            DefinitionError: the table is by key, and the use case does not say what its keys are.
        """
        return self.by_day if by == "day" else self.by_key if by == "key" else None

    @property
    def by_as_of_month(self) -> dg.TimeWindowPartitionsDefinition:
        """One partition for each month that a model is trained for; the key is the month's first day."""
        end = self.as_of_end(self.last_day) if self.last_day else None
        months = sorted((self.first_as_of_month.month - 1 + i) % 12 + 1 for i in range(0, 12, self.as_of_every_months))
        return dg.TimeWindowPartitionsDefinition(
            start=self.first_as_of_month.isoformat(),
            end=end.isoformat() if end else None,
            fmt="%Y-%m-%d",
            cron_schedule=f"0 0 1 {'*' if len(months) == 12 else ','.join(map(str, months))} *",
            timezone=self.timezone,
            end_offset=0 if end else 1,  # a month's model is made when the month begins, not when it is over
        )

    def as_of_end(self, day: dt.date) -> dt.date:
        """First day of the first as-of month after `day`: there the model after that of `day` answers."""
        end = self.first_as_of_month
        while end <= day:
            end = months_after(end, self.as_of_every_months)
        return end

    def key(self, table: str) -> dg.AssetKey:
        """Asset key of one of the use case's tables, which is also its path on storage."""
        return dg.AssetKey([self.name, table])

    def retries(self, idempotency: Idempotency = "idempotent", guard: str = "") -> StepRetries:
        """The `retry_policy` of one of the use case's steps; `guard` says what keeps a repetition from doing harm.

        Raises:
            DefinitionError: `error_classes` names what is no exception.
        """
        own = {type_name(self._error_type(name)): found for name, found in self.error_classes.items()}
        return StepRetries(own, idempotency, guard)

    def as_of_instant(self, partition_key: str) -> dt.datetime:
        """UTC instant at which the as-of month `partition_key` ("2013-10-01") begins in the use case's time zone."""
        month = dt.date.fromisoformat(partition_key)
        local = dt.datetime.combine(month, dt.time(), ZoneInfo(self.timezone))
        return local.astimezone(dt.UTC)

    def resolve(self, reference: str) -> Any:
        """The object that `module:name` in a defs.yaml means; modules are those of the use case's own folder.

        Raises:
            DefinitionError: no such module, or nothing of that name in it.
        """
        return resolve(self.name, reference)

    def _error_type(self, reference: str) -> type[BaseException]:
        try:
            found = self.resolve(reference) if ":" in reference else _of_library(reference)
        except (ImportError, AttributeError) as error:
            raise self._no_error_type(reference, str(error)) from error
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise self._no_error_type(reference, f"{found!r}")
        return found

    def _no_error_type(self, reference: str, got: str) -> DefinitionError:
        return DefinitionError(
            f"use_cases/{self.name}/{FILE_NAME}, error_classes: '{reference}' is no exception.",
            expected="module:Name of the use case's folder, or the dotted path of a library's exception",
            got=got,
        )


def _of_library(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module or "builtins"), name)


def load_use_case(folder: Path) -> UseCase:
    """The use case whose `use_case.yaml` stands in `folder` or the nearest folder above; its modules can be imported.

    Raises:
        DefinitionError: no such file, or one with a field that is missing, unknown or wrong, or of another folder.
    """
    for candidate in (folder, *folder.parents):
        path = candidate / FILE_NAME
        if path.is_file():
            break
    else:
        raise DefinitionError(
            f"No {FILE_NAME} in {folder.name} or above it.", remedy="Copy the one of use_cases/flights."
        )
    make_importable()
    use_case = load_typed(path, f"use_cases/{path.parent.name}/{FILE_NAME}", UseCase)
    if use_case.name != path.parent.name:
        raise DefinitionError(
            f"use_cases/{path.parent.name}/{FILE_NAME}, name: a use case has the name of its folder",
            expected=f"'{path.parent.name}'",
            got=f"'{use_case.name}'",
            remedy="Correct the name, or rename the folder",
        )
    return use_case


def months_after(day: dt.date, months: int) -> dt.date:
    """The first day of the month that is so many months after that of `day`."""
    years, month = divmod(day.month - 1 + months, 12)
    return dt.date(day.year + years, month + 1, 1)
