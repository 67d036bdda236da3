"""A use case that is broken: the others load and go on, it is told loudly, and a check fails with its error."""

import logging
from itertools import count
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from ml_platform.components.locations import Location, build_use_cases
from ml_platform.errors import DefinitionError
from ml_platform.operations.health_text import screen
from ml_platform.operations.look import look
from ml_platform.operations.state_alerts import broken_alerts
from ml_platform.provenance.catalog import each_catalog
from ml_platform.serving.declared import deployments
from ml_platform.settings import Settings
from ml_platform.terminal import console
from ml_platform_tests.starter.scenario import begun

pytestmark = pytest.mark.filterwarnings("ignore:.parse_obj_as. is deprecated")  # by Dagster, as it resolves YAML
NUMBERS = count()


class Pair(NamedTuple):
    """Two use cases: one that stays sound, and one to break."""

    root: Path
    sound: str
    other: str

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file of the other."""
        path = self.root / self.other / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Names are new in each test: Python keeps what it imported."""
    number = next(NUMBERS)
    root = tmp_path / "use_cases"
    monkeypatch.setenv("ML_PLATFORM_USE_CASES", str(root))
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path / "home"))
    begun(root, (names := (f"quay_{number}", f"pier_{number}")))
    return Pair(root, *names)


def use_cases(definitions: dg.Definitions) -> set[str]:
    """Those that have assets."""
    assets = definitions.assets or ()
    keys = [each.keys if isinstance(each, dg.AssetsDefinition) else [each.key] for each in assets]  # type: ignore[union-attr]
    return {key.path[0] for of_one in keys for key in of_one}


BREAKAGES = {
    "a field of another type": ("data/defs.yaml", "inputs: []", "inputs: 7", r"data/defs.yaml:\d+, features\[0\].inp"),
    "no YAML": ("data/defs.yaml", "landed:", "landed: [", r"data/defs.yaml:\d+, column \d+: this is not YAML"),
    "an import error in features.py": ("features.py", "import polars", "import polar", "features.py:6: .*polar"),
    "a name that is not there": ("features.py", "def features", "nothing\n\ndef features", "features.py:17: .*NameEr"),
    "a contract that is no Python": ("contract.py", "class Clean(dy", "class Clean dy", "contract.py:22: .*SyntaxErr"),
    "a contract of another kind": ("contract.py", "class Clean(dy.Schema)", "class Clean", "contract"),
    "a use case without a time zone": ("use_case.yaml", "timezone: UTC", "timezone: Mars", "use_case.yaml:8, timezone"),
    "a name that is not its folder's": ("use_case.yaml", "name: ", "name: another_", "the name of its folder"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_other_use_cases_load_and_the_broken_one_is_told(
    breakage: str, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    file, old, new, told = BREAKAGES[breakage]
    pair.edit(file, old, new)
    with caplog.at_level(logging.ERROR, "ml_platform"):
        definitions = build_use_cases("data")
    assert use_cases(definitions) == {pair.sound}
    assert f"Use case {pair.other} is broken" in caplog.text
    with pytest.raises(DefinitionError, match=told):
        build_use_cases("data", strict=True)


@pytest.mark.parametrize("location", ["data", "training", "serving"])
def test_it_is_missing_where_it_is_broken_alone(location: Location, pair: Pair) -> None:
    pair.edit("training/defs.yaml", "iterations: 60", "iteration: 60")
    broken = {pair.other} if location == "training" else set()
    assert use_cases(build_use_cases(location)) == {pair.sound, pair.other} - broken


def test_a_use_case_with_the_name_of_anothers_model_is_told_and_the_other_loads(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = sorted((pair.sound, pair.other))
    training = pair.root / second / "training/defs.yaml"
    training.write_text(training.read_text().replace(f"registered_as: {second}", f"registered_as: {first}"))
    assert use_cases(build_use_cases("training")) == {first}
    assert f"use_cases/{second} has names that use_cases/{first} has" in caplog.text
    assert f"got registered model {first}" in caplog.text
    serving = pair.root / second / "serving/defs.yaml"
    serving.write_text(serving.read_text().replace(f"registered_model: {second}", f"registered_model: {first}"))
    assert use_cases(build_use_cases("serving")) == {first}


def test_a_use_case_whose_job_is_called_as_anothers_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    short, long = f"ferry_{next(NUMBERS)}", f"ferry_{next(NUMBERS)}"
    root = tmp_path / "use_cases"
    begun(root, (short, f"{short}_{long}"))
    training = root / short / "training/defs.yaml"
    training.write_text(training.read_text().replace("- name: cancelled", f"- name: {long}_cancelled"))
    assert use_cases(build_use_cases("training", root)) == {short}
    assert f"{short}_{long}_cancelled_fit" in caplog.text


def test_a_check_is_strict_as_dagster_says_that_it_validates(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.edit("serving/defs.yaml", "row: row", "rows: row")
    assert use_cases(build_use_cases("serving")) == {pair.sound}
    monkeypatch.setenv("DAGSTER_IS_DEFS_VALIDATION_CLI", "1")
    with pytest.raises(DefinitionError, match=r"serving/defs.yaml:\d+, predictions.rows: no such field \(did you mean"):
        build_use_cases("serving")


def test_sensors_of_the_others_keep_the_names_that_their_cursors_are_kept_by(pair: Pair) -> None:
    before = {each.name for each in build_use_cases("training").sensors or ()}
    pair.edit("training/defs.yaml", "iterations: 60", "iteration: 60")
    after = {each.name for each in build_use_cases("training").sensors or ()}
    assert after == {name for name in before if pair.sound in name}
    assert len(after) == len(before) / 2 > 1


def test_the_status_shows_it_first_and_needs_a_person(pair: Pair) -> None:
    pair.edit("contract.py", "class Labels(dy", "class Labels dy")
    with dg.DagsterInstance.ephemeral() as instance:
        found = look(Settings(), instance)
    assert [case.name for case in found.use_cases] == [pair.sound]
    assert found.problems[0] == f"{pair.other} is broken"
    with (printed := console(100)).capture() as shown:
        printed.print(screen(found))
    assert "importing it for 'contract:Raw' fails" in " ".join(shown.get().split())


def test_an_alert_says_what_is_wrong_and_that_the_others_go_on(pair: Pair) -> None:
    pair.edit("data/defs.yaml", "source: clean", "source: cleen")
    (found,) = broken_alerts(each_catalog().broken)
    assert found.alert.subject == pair.other
    assert "cleen" in found.alert.what
    assert broken_alerts(each_catalog(pair.root.parent).broken) == []


def test_what_others_deploy_is_known_though_one_cannot_be_read(pair: Pair) -> None:
    pair.edit("serving/defs.yaml", "champion:", "champion: [")
    assert [each.registered_model for each in deployments()] == [pair.sound]
