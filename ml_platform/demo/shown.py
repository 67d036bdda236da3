"""What a demonstration runs and shows of a use case, as its own YAML declares it, and who lands its data.

Belongs here: the way from the name of a use case to its upstream, tables, model and calendar. Does not: running it.
"""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

from ml_platform.components.references import use_cases_folder
from ml_platform.components.use_case import UseCase
from ml_platform.demo import bike_upstream, parking_upstream, upstream
from ml_platform.demo.landing import Landed
from ml_platform.errors import DefinitionError
from ml_platform.execution.launch import PartitionRange
from ml_platform.provenance.catalog import Catalog
from ml_platform.serving.component import Deployment
from ml_platform.training.config import ModelConfig

DEFAULT = upstream.USE_CASE
UPSTREAMS: dict[str, Callable[..., Landed]] = {
    upstream.USE_CASE: upstream.land_everything,
    bike_upstream.USE_CASE: bike_upstream.land_everything,
    parking_upstream.USE_CASE: parking_upstream.land_everything,
}


class Shown(NamedTuple):
    """One use case with an upstream, one model and its deployment."""

    land: Callable[..., Landed]
    catalog: Catalog
    model: ModelConfig
    deployment: Deployment

    @property
    def use_case(self) -> UseCase:
        """Its calendar and owners."""
        return self.catalog.use_case

    @property
    def days(self) -> PartitionRange:
        """All days of the data."""
        return PartitionRange(*map(str, (self.use_case.first_day, self.last_day)))

    @property
    def as_of_months(self) -> list[str]:
        """Each month that a model is trained for."""
        return list(self.use_case.by_as_of_month.get_partition_keys())

    @property
    def predicted_days(self) -> PartitionRange:
        """The days from the first model on."""
        return PartitionRange(*map(str, (self.use_case.first_as_of_month, self.last_day)))

    @property
    def last_day(self) -> dt.date:
        """The last day of the data; a demonstration is of a closed data set."""
        assert self.use_case.last_day is not None, "a demonstration has a last day"
        return self.use_case.last_day

    def table(self, name: str) -> str:
        """Name of one of its tables on storage."""
        return self.catalog.name(name)


def shown(use_case: str) -> Shown:
    """The use case of that name.

    Raises:
        DefinitionError: there is no upstream for it, or its YAML is wrong.
    """
    land = UPSTREAMS.get(use_case)
    if land is None:
        raise DefinitionError(
            f"There is no demonstration of '{use_case}'",
            expected=f"one of {', '.join(UPSTREAMS)}",
            remedy="Land data of your own, and materialize its assets in `make dev`.",
        )
    catalog = Catalog(use_cases_folder() / use_case)
    assert catalog.deployment is not None, "a demonstration serves what it trains"
    model = catalog.model(catalog.deployment.champion.registered_model)
    assert model is not None, "serving names a model of training"
    return Shown(land, catalog, model, catalog.deployment)
