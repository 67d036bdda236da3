"""What the YAML of bike demand says, as serving and the demonstration read it."""

from ml_platform.components.declared_task import declared_task
from ml_platform.demo.shown import shown
from ml_platform.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "ml_platform" / "use_cases" / "bike_demand"


def test_serving_finds_the_task_that_training_declares() -> None:
    task = declared_task(FOLDER / "serving", "bike_demand")
    assert (task.kind, task.coverage, task.unit) == ("forecast", 0.9, "bikes per hour")


def test_what_is_demonstrated_follows_from_the_calendar() -> None:
    of = shown("bike_demand")
    assert of.as_of_months == [f"{year}-01-01" for year in range(2014, 2020)]
    assert of.predicted_days == ("2014-01-01", "2019-08-31")
    assert of.table(of.model.labels_table) == "bike_demand/demand_labels"
