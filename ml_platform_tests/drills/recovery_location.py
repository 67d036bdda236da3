"""The code location that executes failed runs again, for drills of it."""

import dagster as dg

from ml_platform.execution.launch import CodeLocation
from ml_platform.operations.recovery_sensor import recovery_sensor
from ml_platform.settings import Settings

RECOVERY = CodeLocation("recovery", __name__)

defs = dg.Definitions(sensors=[recovery_sensor(Settings())])
