"""The operations code location: what watches the platform, and what is told of its results. Assembly only."""

from collections.abc import Sequence

import dagster as dg

from ml_platform.components.sound import each_of
from ml_platform.online.declared import models_of
from ml_platform.operations.alert_sensors import alert_sensors
from ml_platform.operations.recovery_sensor import recovery_sensor
from ml_platform.operations.served_check import served_definitions
from ml_platform.provenance.catalog import Catalog, each_catalog
from ml_platform.provenance.definitions import build_definitions as build_provenance
from ml_platform.recovery.alerts.routes import load_routes
from ml_platform.settings import Settings


def build_definitions(settings: Settings) -> dg.Definitions:
    """Cards, sheets and scores of all sound use cases, the checks of what was served, and the sensors that alert and
    that execute failed runs again.

    Raises:
        DefinitionError: the file of alert routes is wrong; or a use case, and settings say that none may be.
    """
    load_routes(settings.alert_routes)
    found = each_catalog(strict=settings.strict_definitions)
    sensors = [*alert_sensors(settings, found), recovery_sensor(settings)]
    return dg.Definitions.merge(
        build_provenance(settings, found.sound), dg.Definitions(sensors=sensors), *_served(settings, found.sound)
    )


def _served(settings: Settings, catalogs: Sequence[Catalog]) -> list[dg.Definitions]:
    models = each_of(
        [catalog.folder for catalog in catalogs],
        models_of,
        "the checks of what was served",
        strict=settings.strict_definitions,
    )
    return [served_definitions(model, settings) for of_use_case in models.sound for model in of_use_case]


defs = build_definitions(Settings())
