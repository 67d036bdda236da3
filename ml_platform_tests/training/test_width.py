"""How wide a search is, which only the run itself decides."""

from collections import Counter
from pathlib import Path

import dagster as dg

from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore
from ml_platform_tests.training.scenario import departures, publish, toy_model
from ml_platform_tests.training.test_pipeline import train


def trials_by_rung(result: dg.ExecuteInProcessResult) -> Counter[str]:
    """How many trials each rung had."""
    steps = [str(event.step_key) for event in result.all_events if event.is_step_success]
    return Counter(step.partition("[")[0].rpartition("_")[2] for step in steps if "trial_rung" in step)


def test_a_later_rung_is_as_wide_as_the_trials_that_could_be_scored(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(TableStore.from_settings(settings), departures(days=100, each_day=40))
    rungs = [{"iterations": 1, "keep": 2}, {"iterations": 2, "keep": 1}]
    impossible = {"learning_rate": {"kind": "choice", "values": [-1.0]}}  # of every trial but the first
    config = toy_model(search={"trials": 3, "rungs": rungs, "parameters": impossible})
    with dg.DagsterInstance.ephemeral() as instance:
        assert trials_by_rung(train(settings, instance, "2013-03-01", config)) == {"0": 3, "1": 1}
