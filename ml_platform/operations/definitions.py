"""The operations code location: what watches the platform, and what is told of its results. Assembly only."""

import dagster as dg

from ml_platform.online.declared import online_models
from ml_platform.operations.alert_sensors import alert_sensors
from ml_platform.operations.recovery_sensor import recovery_sensor
from ml_platform.operations.served_check import served_definitions
from ml_platform.provenance.catalog import read_catalogs
from ml_platform.provenance.definitions import build_definitions as build_provenance
from ml_platform.recovery.alerts.routes import load_routes
from ml_platform.settings import Settings


def build_definitions(settings: Settings) -> dg.Definitions:
    """Cards, sheets and scores of all use cases, the sensors that alert and execute failed runs again, and the checks
    of what was served.

    Raises:
        DefinitionError: a declaration or the file of alert routes is wrong, or a report would show a personal column.
    """
    load_routes(settings.alert_routes)
    sensors = [*alert_sensors(settings, read_catalogs()), recovery_sensor(settings)]
    served = [served_definitions(model, settings) for model in online_models()]
    return dg.Definitions.merge(build_provenance(settings), dg.Definitions(sensors=sensors), *served)


defs = build_definitions(Settings())
