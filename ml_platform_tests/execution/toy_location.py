"""A small code location: two daily assets, one that can be told to fail, and a slow one."""

import time

import dagster as dg

from ml_platform.execution.launch import CodeLocation

TOY = CodeLocation("toy", "ml_platform_tests.execution.toy_location")
BY_DAY = dg.DailyPartitionsDefinition("2013-01-01", end_date="2013-02-01")


class Mood(dg.Config):
    """Whether the asset should fail."""

    is_bad: bool = False


@dg.asset(partitions_def=BY_DAY, group_name="toy")
def flights() -> None:
    """One row per flight."""


@dg.asset(partitions_def=BY_DAY, deps=[flights], group_name="toy")
def delays(config: Mood) -> None:
    """One row per delay."""
    if config.is_bad:
        raise ValueError("the sky fell")


@dg.asset(group_name="toy")
def patience() -> None:
    """Takes half a minute, unless it is interrupted."""
    time.sleep(30)


toy_flights = dg.define_asset_job("toy_flights", selection=[flights, delays])

defs = dg.Definitions(assets=[flights, delays, patience], jobs=[toy_flights], executor=dg.in_process_executor)
