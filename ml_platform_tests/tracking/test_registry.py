"""The registry: versions by content, promotion only with the gate's approval, champions by as-of month."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_platform.errors import (
    ModelNotApprovedError,
    ModelNotFoundError,
    NoChampionError,
    RegistryLogTamperedError,
    RegistryUnreachableError,
)
from ml_platform.this_user import this_user
from ml_platform.tracking._client import client
from ml_platform.tracking.mirror import HEAD_TAG, ClientMirror, Shown, mirror_of
from ml_platform.tracking.registry import Gate, ModelRegistry, RegisteredModel
from ml_platform.tracking.registry_log import Entry, Head, RegistryLog
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.versions import made
from ml_platform_tests.tracking.scenario import logged, opened
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

    run_id = opened(tracking)
    uri = logged(tracking, run_id, fitted())
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


def promoted(registry: ModelRegistry, *months: int) -> None:
    for month in months:
        registry.promote(NAME, registered(registry, month).version, "better")


def mlflow_aliases(tracking: MlflowTracking) -> dict[str, int]:
    """The aliases as everybody else who asks MLflow is told."""
    found = client(tracking.tracking_uri).get_registered_model(NAME).aliases
    return {alias: int(version) for alias, version in found.items()}


def test_a_rollback_lets_the_version_before_answer_again(tracking: MlflowTracking, registry: ModelRegistry) -> None:
    promoted(registry, 10, 11, 12)
    assert registry.roll_back(NAME, reason="false alarms", by="ops").version == 2
    assert registry.require_champion(NAME, dt.date(2013, 12, 31)).version == 2
    assert mlflow_aliases(tracking) == {"champion": 2, "last_known_good": 1, "challenger": 3}
    assert "by ops: false alarms" in registry.get(NAME, 3).rolled_back


def test_a_rollback_to_a_version_withdraws_all_that_came_after_it(registry: ModelRegistry) -> None:
    promoted(registry, 10, 11, 12)
    for _ in range(2):
        registry.roll_back(NAME, to=1, reason="false alarms")
    assert [each.is_promoted for each in registry.versions(NAME)] == [True, False, False]
    assert [(each.version, each.instead) for each in registry.log(NAME)[-2:]] == [(3, 2), (2, 1)]


def test_there_is_nothing_to_go_back_to_from_the_first_champion(registry: ModelRegistry) -> None:
    promoted(registry, 10)
    with pytest.raises(NoChampionError, match=r"no other version is promoted.*got version 1 as of 2013-10-01"):
        registry.roll_back(NAME, reason="false alarms")
    registered(registry, 11)
    with pytest.raises(NoChampionError, match="version 2 is not promoted"):
        registry.roll_back(NAME, to=2, reason="false alarms")


def test_a_person_promotes_again_what_was_rolled_back(registry: ModelRegistry) -> None:
    promoted(registry, 10, 11)
    registry.roll_back(NAME, reason="false alarms")
    registry.promote(NAME, 2, "the source was wrong", by="ops")
    assert (registry.require_champion(NAME).version, registry.get(NAME, 2).rolled_back) == (2, "")


def test_a_person_puts_one_version_of_a_month_over_another(registry: ModelRegistry) -> None:
    for fingerprint in ("first", "second"):
        registry.promote(NAME, registered(registry, 10, fingerprint=fingerprint).version, "better")
    registry.promote(NAME, 1, "again")
    assert registry.require_champion(NAME).version == 2
    registry.promote(NAME, 1, "again", over_others=True)
    assert registry.require_champion(NAME).version == 1


def test_where_approval_is_required_a_person_has_to_give_it(registry: ModelRegistry) -> None:
    version = registered(registry, 10).version
    with pytest.raises(ModelNotApprovedError, match="waits for a person's approval"):
        registry.promote(NAME, version, "better", requires_approval=True)
    registry.set_approval(NAME, version, is_approved=True, by="ann", reason="looked at it")
    assert registry.promote(NAME, version, "better", requires_approval=True).approval_by == "ann"


def test_what_a_person_rejected_is_not_promoted_until_approved(registry: ModelRegistry) -> None:
    version = registered(registry, 10).version
    registry.set_approval(NAME, version, is_approved=False, by="ann", reason="too few nights")
    with pytest.raises(ModelNotApprovedError, match="ann rejected it: too few nights"):
        registry.promote(NAME, version, "better")
    registry.set_approval(NAME, version, is_approved=True, by="bob", reason="enough nights")
    assert registry.promote(NAME, version, "better").is_promoted


def test_a_person_cannot_approve_what_the_gate_refused(registry: ModelRegistry) -> None:
    version = registered(registry, 10, gate="refused").version
    with pytest.raises(ModelNotApprovedError, match="gate's word is 'refused'"):
        registry.set_approval(NAME, version, is_approved=True, by="ann", reason="hope")
    assert registry.get(NAME, version).approval == "none"


def test_the_log_tells_what_happened_by_whom_and_why(registry: ModelRegistry) -> None:
    promoted(registry, 10, 11)
    registry.roll_back(NAME, reason="false alarms", by="ops")
    actions = [(each.version, each.action) for each in registry.log(NAME)]
    each_month = [(version, action) for version in (1, 2) for action in ("registered", "gate_approved", "promoted")]
    assert actions == [*each_month, (2, "rolled_back")]
    assert registry.log(NAME)[0].by == this_user()
    assert (registry.log(NAME)[-1].by, registry.log(NAME)[-1].reason) == ("ops", "false alarms")


def test_the_log_tells_who_was_champion_at_an_instant(registry: ModelRegistry) -> None:
    promoted(registry, 10, 11)
    registry.roll_back(NAME, reason="false alarms")
    instants = [each.at for each in registry.log(NAME)]
    found = [registry.standing(NAME, at).champion() for at in instants]
    assert [each.version if each else None for each in found] == [None, None, 1, 1, 1, 2, 1]


def test_a_decision_that_mlflow_did_not_hear_of_holds_and_reaches_it_with_the_next(
    tracking: MlflowTracking, registry: ModelRegistry
) -> None:
    promoted(registry, 10)
    version = registered(registry, 11).version
    log = RegistryLog(tracking.location.artifacts().below("registry"), NAME)
    log.record(lambda _: Entry(version, "promoted", "someone who died"))
    assert registry.require_champion(NAME).version == version
    assert mlflow_aliases(tracking)["champion"] == 1
    registry.promote(NAME, version, "again")
    assert mlflow_aliases(tracking)["champion"] == version
    assert [each.by for each in registry.log(NAME) if each.action == "promoted"][1:] == ["someone who died"]


def test_a_version_that_was_made_and_not_logged_is_registered_once(
    tracking: MlflowTracking, registry: ModelRegistry
) -> None:
    registered(registry, 10)
    facts = registry.log(NAME)[0].facts
    assert facts is not None
    lost = facts.model_copy(update={"fingerprint": "f11", "as_of": dt.date(2013, 11, 1)})
    assert made(tracking.tracking_uri, NAME, lost, "", {}) == 2
    assert registered(registry, 11).version == 2
    assert [each.version for each in registry.versions(NAME)] == [1, 2]


def test_an_end_cut_off_the_log_is_noticed_by_mlflows_note(tracking: MlflowTracking, registry: ModelRegistry) -> None:
    promoted(registry, 10)
    assert registry.verify_log(NAME).sequence == 3
    tracking.location.artifacts().delete(f"registry/{NAME}/00000003.json")
    for asked in (registry.verify_log, registry.champion, lambda name: registered(registry, 11)):
        with pytest.raises(RegistryLogTamperedError, match="entries 3 to 3 were cut off"):
            asked(NAME)


def test_versions_from_before_the_log_are_known_and_begin_it(tracking: MlflowTracking, registry: ModelRegistry) -> None:
    promoted(registry, 10, 11)
    before = registry.versions(NAME)
    for each in tracking.location.artifacts().list("registry"):
        tracking.location.artifacts().delete(each.path)
    client(tracking.tracking_uri).delete_registered_model_tag(NAME, HEAD_TAG)
    assert registry.versions(NAME) == before
    assert registry.log(NAME) == []
    registry.roll_back(NAME, reason="false alarms")
    assert len(registry.log(NAME)) == 7


def test_mlflows_client_and_its_tables_say_and_show_the_same(tracking: MlflowTracking, registry: ModelRegistry) -> None:
    promoted(registry, 10, 11)
    tables, behind = mirror_of(tracking.tracking_uri), ClientMirror(tracking.tracking_uri)
    asked = [(each.names(), each.versions(NAME), each.head(NAME)) for each in (tables, behind)]
    assert asked[0] == asked[1]
    shown = Shown(Head(99, "ab"), {"champion": 1}, {2: {"gate": "refused"}})
    behind.show(NAME, shown)
    tables.show(NAME, shown._replace(head=Head(98, "cd"), aliases={"champion": 2}))
    assert (mlflow_aliases(tracking), tables.head(NAME)) == ({"champion": 1}, Head(99, "ab"))
    assert tables.versions(NAME)[1].tags["gate"] == "refused"


def test_an_alias_that_is_not_the_platforms_stays(tracking: MlflowTracking, registry: ModelRegistry) -> None:
    promoted(registry, 10)
    client(tracking.tracking_uri).set_registered_model_alias(NAME, "shadow", "1")
    promoted(registry, 11)
    assert mlflow_aliases(tracking)["shadow"] == 1


def test_the_tables_that_versions_were_made_from_are_known(registry: ModelRegistry) -> None:
    facts = {"run_id": "", "model_uri": "", "sha256": "", "as_of": dt.date(2013, 10, 1)}
    for number, name in enumerate((NAME, NAME, "other")):
        snapshot = {"features": number, "labels": 7}
        registry.register(name, fingerprint=f"f{number}", snapshot=snapshot, **facts)  # type: ignore[arg-type]
    assert registry.names() == [NAME, "other"]
    assert registry.pinned_versions() == {"features": {0, 1, 2}, "labels": {7}}


def test_a_store_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no database" * 1000)
    with pytest.raises(RegistryUnreachableError, match="broken cannot be used"):
        mirror_of(f"sqlite:///{tmp_path}/broken").names()


def test_a_model_whose_store_is_gone_is_known_by_its_log(registry: ModelRegistry, tmp_path: Path) -> None:
    promoted(registry, 10)
    (tmp_path / "mlflow" / "mlflow.db").rename(tmp_path / "gone")
    assert registry.names() == [NAME]
    assert registry.require_champion(NAME).version == 1


def test_many_at_once_make_one_version_of_one_model(tracking: MlflowTracking, registry: ModelRegistry) -> None:
    registered(registry, 9)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: registered(tracking.registry, 10).version, range(4)))
    assert found == [2, 2, 2, 2]
    assert [each.action for each in registry.log(NAME) if each.version == 2] == ["registered", "gate_approved"]
