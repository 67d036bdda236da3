from pathlib import Path

import pytest

from ml_platform.errors import DefinitionError
from ml_platform.recovery.alerts.alert import Severity
from ml_platform.recovery.alerts.routes import AlertRoutes, load_routes, not_set
from ml_platform.settings import Settings
from ml_platform_tests.recovery.alerts.world import failed

HOOK = {"name": "hook", "type": "webhook", "url_from": "HOOK_URL"}


def routes(*declared: dict[str, object]) -> AlertRoutes:
    named = [{"name": f"route-{number}", "receivers": ["hook"], **each} for number, each in enumerate(declared)]
    return AlertRoutes.model_validate({"receivers": [HOOK], "routes": named})


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        ({}, True),
        ({"at_least": "error"}, True),
        ({"at_least": "critical"}, False),
        ({"use_cases": ["toy", "other"]}, True),
        ({"use_cases": ["other"]}, False),
        ({"pipelines": ["data"]}, True),
        ({"pipelines": ["serving"]}, False),
        ({"owners": ["team:toys", "team:others"]}, True),
        ({"owners": ["team:others"]}, False),
        ({"owners": ["team:toys"], "pipelines": ["serving"]}, False),
    ],
)
def test_a_route_fits_by_severity_use_case_pipeline_and_owner(route: dict[str, object], fits: bool) -> None:
    assert (routes(route).route_of(failed()) is not None) is fits


def test_an_alert_goes_the_first_way_that_fits() -> None:
    declared = routes({"at_least": "critical"}, {"at_least": "error"}, {})
    ways: dict[Severity, str] = {"info": "route-2", "error": "route-1", "critical": "route-0"}
    for severity, way in ways.items():
        found = declared.route_of(failed(severity=severity))
        assert found is not None
        assert found.name == way


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "receivers:\n  - {name: hook, type: webhook, url: x}\n",
            "alerts.yaml:2, receivers[0].url_from: this field is required: Environment variable that holds the URL",
        ),
        (
            "receivers:\n  - name: hook\n    type: webhook\n    url_from: HOOK_URL\n    secret_form: S\n",
            "alerts.yaml:5, receivers[0].secret_form: no such field (did you mean secret_from?); allowed are name",
        ),
        ("routes:\n  - {name: all, receivers: [pager]}\n", "names no receiver that is declared: pager"),
        (
            "receivers:\n  - {name: hook, type: telegram}\n",
            "alerts.yaml:2, receivers[0]: input tag 'telegram' found using 'type' does not match any of the expected",
        ),
        ("routes: [\n", "alerts.yaml:2, column 1: this is not YAML"),
        (
            "routes:\n  - {name: all, receivers: [x], at_least: high}\n",
            "alerts.yaml:2, routes[0].at_least: input should",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "alerts.yaml").write_text(text)
    with pytest.raises(DefinitionError) as error:
        load_routes(tmp_path / "alerts.yaml")
    assert message in str(error.value)


def test_a_secret_does_not_stand_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(
        "receivers:\n  - {name: hook, type: webhook, url_from: 'https://hooks.example.com/secret'}\n"
    )
    with pytest.raises(DefinitionError, match="should match pattern"):
        load_routes(tmp_path / "alerts.yaml")


def test_the_routes_of_a_fresh_clone_load_and_tell_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    found = load_routes(settings.alert_routes)
    for receiver in found.receivers:
        for name in receiver.variables:
            monkeypatch.delenv(name, raising=False)
        assert not_set(receiver, settings) == receiver.variables
