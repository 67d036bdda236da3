"""The registry: versions by content, promotion only with the gate's approval, champions by as-of month."""

import datetime as dt

import pytest

from ml_platform.errors import ModelNotApprovedError, ModelNotFoundError, NoChampionError
from ml_platform.tracking.models import dumps
from ml_platform.tracking.registry import Gate, ModelRegistry, RegisteredModel
from ml_platform.tracking.resource import MlflowTracking
from ml_platform_tests.tracking.scenario import opened
from ml_platform_tests.tracking.test_models import fitted

NAME = "flights_delay"


@pytest.fixture
def registry(tracking: MlflowTracking) -> ModelRegistry:
    return tracking.registry


def registered(
    registry: ModelRegistry, month: int, *, gate: Gate = "approved", fingerprint: str = ""
) -> RegisteredModel:
    """A version as of a month of 2013."""
    as_of = dt.date(2013, month, 1)
    uri = f"file:///artifacts/models/{month}.skops"
    return registry.register(
        NAME, run_id="", model_uri=uri, sha256="ab", as_of=as_of, fingerprint=fingerprint or f"f{month}", gate=gate
    )


def test_a_version_keeps_what_it_was_registered_with(registry: ModelRegistry) -> None:
    made = registered(registry, 10)
    assert (made.version, made.as_of, made.gate, made.aliases) == (1, dt.date(2013, 10, 1), "approved", ("challenger",))
    assert registry.get(NAME, 1) == made == registry.as_of(NAME, made.as_of)


def test_the_same_fingerprint_is_the_same_version(registry: ModelRegistry) -> None:
    assert registered(registry, 10) == registered(registry, 10)
    assert registered(registry, 10, fingerprint="other").version == 2


def test_promotion_moves_the_aliases_and_a_second_one_changes_nothing(registry: ModelRegistry) -> None:
    for month in (10, 11):
        registry.promote(NAME, registered(registry, month).version, "better")
    again = registry.promote(NAME, 2, "better")
    assert again.aliases == ("challenger", "champion")
    assert registry.get(NAME, 1).aliases == ("last_known_good",)


def test_an_earlier_month_promoted_later_does_not_take_the_alias(registry: ModelRegistry) -> None:
    november, october = registered(registry, 11), registered(registry, 10)
    registry.promote(NAME, november.version, "better")
    registry.promote(NAME, october.version, "better")
    assert registry.require_champion(NAME).as_of == november.as_of
    assert registry.require_champion(NAME, dt.date(2013, 10, 31)).as_of == october.as_of


@pytest.mark.parametrize("gate", ["refused", "pending"])
def test_what_the_gate_did_not_approve_is_not_promoted(registry: ModelRegistry, gate: Gate) -> None:
    refused = registered(registry, 10, gate=gate)
    with pytest.raises(ModelNotApprovedError, match=f"got '{gate}'"):
        registry.promote(NAME, refused.version, "hope")
    assert registry.champion(NAME) is None


def test_the_champion_of_a_day_is_the_last_one_promoted_by_then(registry: ModelRegistry) -> None:
    for month in (10, 11):
        registry.promote(NAME, registered(registry, month).version, "better")
    registered(registry, 12)
    champions = [registry.require_champion(NAME, day).version for day in DAYS_AROUND_NOVEMBER]
    assert champions == [1, 2, 2]


DAYS_AROUND_NOVEMBER = [dt.date(2013, 10, 31), dt.date(2013, 11, 1), dt.date(2013, 12, 31)]


def test_a_day_before_the_first_champion_is_told_in_full(registry: ModelRegistry) -> None:
    registry.promote(NAME, registered(registry, 10).version, "better")
    with pytest.raises(NoChampionError, match=r"for 2013-09-30.*got version 1 as of 2013-10-01"):
        registry.require_champion(NAME, dt.date(2013, 9, 30))


def test_an_unknown_version_is_told_with_those_there_are(registry: ModelRegistry) -> None:
    registered(registry, 10)
    with pytest.raises(ModelNotFoundError, match=r"no version 7\. Expected one of 1"):
        registry.get(NAME, 7)
    with pytest.raises(ModelNotFoundError, match="Expected one of 2013-10; got 2013-12"):
        registry.as_of(NAME, dt.date(2013, 12, 1))


def test_a_gate_that_changes_its_word_changes_the_version(registry: ModelRegistry) -> None:
    registered(registry, 10, gate="refused")
    assert registered(registry, 10, gate="approved").gate == "approved"


def test_a_version_of_a_logged_model_loads_by_alias(tracking: MlflowTracking, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    run_id, model = opened(tracking), fitted()
    uri = tracking.log_model(run_id, NAME, model, dumps(model))
    tracking.registry.register(
        NAME,
        run_id=run_id,
        model_uri="file:///m",
        sha256="a",
        as_of=dt.date(2013, 10, 1),
        fingerprint="f",
        mlflow_uri=uri,
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.tracking_uri)
    assert mlflow.pyfunc.load_model(f"models:/{NAME}@challenger").metadata.run_id == run_id
