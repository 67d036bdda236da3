"""The code location of the drills' alerts: the platform's own sensors, without reports."""

import dagster as dg

from ml_platform.execution.launch import CodeLocation
from ml_platform.operations.alert_sensors import alert_sensors
from ml_platform.settings import Settings

ALERTS = CodeLocation("alerts", __name__)

defs = dg.Definitions(sensors=alert_sensors(Settings()))
