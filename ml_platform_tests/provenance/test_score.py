"""The arithmetic of the ML Test Score, and what counts as evidence."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.data.checks import ROWS_MEET_THE_CONTRACT
from ml_platform.errors import ReproductionError
from ml_platform.lineage.checkout import Checkout
from ml_platform.provenance import score_infrastructure as infrastructure
from ml_platform.provenance.recorded_reproduction import keep_reproduction
from ml_platform.provenance.reproduction import Answer, Reproduction
from ml_platform.provenance.score import SECTIONS, Finding, Proof, Score, ScoredTest, level_of, score_of
from ml_platform.provenance.score_facts import Days, Facts, Stores
from ml_platform.provenance.score_model import specs_are_reviewed
from ml_platform.provenance.score_rubric import RUBRIC, score_version
from ml_platform.provenance.score_text import as_markdown, told
from ml_platform.provenance.tested import RecordedTests, code_hash
from ml_platform.storage.io_managers import PARTITION_COLUMN, SORT_BY
from ml_platform.storage.resources import storage_resources
from ml_platform.training.records import TrainedModel
from ml_platform.training.training_run import training_code
from ml_platform_tests.provenance.carded import AS_OF, DAYS, NAME, Carded

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FEATURES = dg.AssetKey(["flights", "delay_features"])
ROLLBACK = "ml_platform_tests/tracking/test_registry.py::test_a_rollback_lets_the_version_before_answer_again"


def scored(*, lacking: str = "") -> Score:
    """Full points everywhere, but none for the first test of one section."""
    proof = Proof(what="seen", source="run", reference="r1", at=NOW)
    findings = {
        section: [Finding.unproven("nobody | looked", "look")] * (section == lacking) + [Finding.proven(proof)] * 7
        for section in SECTIONS
    }
    tests = [
        ScoredTest(section=section, number=n, title="It is so", finding=finding)
        for section in SECTIONS
        for n, finding in enumerate(findings[section][:7], start=1)
    ]
    return score_of(NAME, 1, AS_OF, tests)


def facts_of(carded: Carded, tmp_path: Path) -> Facts:
    return Facts(Stores(carded.settings, carded.evidence(), tests=tmp_path / "tests.json"), NAME, 1)


def record_tests(path: Path, *, code: str = "", passed: Sequence[str] = (), failed: Sequence[str] = ()) -> None:
    checkout = Checkout(commit=None, is_clean=None)
    record = RecordedTests(
        code=code or code_hash(), checkout=checkout, finished_at=NOW, passed=tuple(passed), failed=tuple(failed)
    )
    (path / "tests.json").write_text(record.model_dump_json())


def made_by_this_code(carded: Carded) -> None:
    """The record of version 1, as if the code of today had made it."""
    path = "training/flights/delay/f1/result.json"
    model = TrainedModel.model_validate_json(carded.artifacts.read(path))
    assert model.origin is not None
    origin = model.origin.model_copy(update={"code": training_code().definitions})
    carded.artifacts.write(path, model.model_copy(update={"origin": origin}).model_dump_json().encode())


def reproduction(sha256: str, *, is_equal: bool = True) -> Reproduction:
    answer = Answer(sha256=sha256, bytes=1, code={}, trials=(), predictions=None, cpu_seconds=1.0)
    return Reproduction(
        name=NAME, version=1, as_of=AS_OF, is_equal=is_equal, snapshot={}, code_from="a clean copy",
        recorded_sha256=sha256, rebuilt=answer, circumstances=(), results=(), remedy="",
    )  # fmt: skip


def test_the_final_score_is_the_lowest_section() -> None:
    assert scored().final == 7.0
    assert scored(lacking="model").sections == {"data": 7.0, "model": 6.0, "infrastructure": 7.0, "monitoring": 7.0}
    assert scored(lacking="model").final == 6.0


@pytest.mark.parametrize(
    ("final", "word"), [(0.0, "research"), (0.5, "not untested"), (3.0, "reasonably"), (5.5, "exc")]
)
def test_levels_begin_above_their_lower_bound(final: float, word: str) -> None:
    assert word in level_of(final)


def test_what_is_missing_is_told_in_the_terminal_and_in_the_table_of_the_ui() -> None:
    found = scored(lacking="data")
    assert "missing: nobody | looked" in "\n".join(told(found))
    assert "| data 1 | It is so | 0 |  | nobody \\| looked |" in as_markdown(found)


def test_the_rubric_has_seven_tests_in_each_section() -> None:
    assert {section: len(tests) for section, tests in RUBRIC.items()} == dict.fromkeys(SECTIONS, 7)


def test_a_version_without_runs_earns_what_its_records_prove_and_nothing_else(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    stores = Stores(carded.settings, carded.evidence(), tests=tmp_path / "tests.json")
    earned = {test.title: test.finding.points for test in score_version(stores, NAME, 1).tests if test.finding.points}
    assert earned == {
        "Model specs are reviewed and submitted": 0.5,
        "A simpler model is not better": 1.0,
        "The model is tested for considerations of inclusion": 1.0,
        "Model quality is validated before serving": 1.0,
        "The data pipeline has appropriate privacy controls": 0.5,
    }


def test_whatever_earns_less_than_a_point_says_what_is_missing(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    stores = Stores(carded.settings, carded.evidence(), tests=tmp_path / "tests.json")
    findings = [test.finding for test in score_version(stores, NAME, 1).tests]
    assert all(bool(each.missing) == (each.points < 1) for each in findings)
    assert all(each.proofs for each in findings if each.points)


def test_a_version_that_nobody_recorded_has_no_score(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    carded.artifacts.delete("training/flights/delay/f1/result.json")
    with pytest.raises(ReproductionError, match="flights_delay 1 has no score"):
        facts_of(carded, tmp_path)


def test_an_approval_by_a_person_makes_the_half_point_of_a_commit_a_full_one(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    carded.tracking.registry.set_approval(NAME, 1, is_approved=True, by="Ada", reason="looked at its card")
    found = specs_are_reviewed(facts_of(carded, tmp_path))
    assert found.points == 1.0
    assert "approved by Ada: looked at its card" in found.proofs[1].what


def test_recorded_tests_count_for_the_code_that_they_were_of_alone(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    made_by_this_code(carded)
    record_tests(tmp_path, passed=[ROLLBACK])
    assert facts_of(carded, tmp_path).tested("rollbacks", "rollback").points == 1.0
    record_tests(tmp_path, passed=[ROLLBACK], code="another")
    assert "were of other code" in facts_of(carded, tmp_path).tested("rollbacks", "rollback").missing


def test_recorded_tests_do_not_count_for_a_version_that_other_code_made(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    record_tests(tmp_path, passed=[ROLLBACK])
    assert "made by other code than was tested" in facts_of(carded, tmp_path).tested("rollbacks", "rollback").missing


def test_one_failed_test_takes_the_point_of_all_that_it_is_among(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    made_by_this_code(carded)
    record_tests(tmp_path, passed=[ROLLBACK], failed=["test_registry.py::test_a_rollback_is_quick"])
    assert "1 tests failed" in facts_of(carded, tmp_path).tested("rollbacks", "rollback").missing
    assert facts_of(carded, tmp_path).tested("the log", "before_answer").points == 1.0


def test_a_reproduction_by_a_run_is_a_point_and_by_a_person_half_a_point(carded: Carded, tmp_path: Path) -> None:
    registered = carded.register()
    facts = facts_of(carded, tmp_path)
    assert infrastructure.training_is_reproducible(facts).points == 0.0
    keep_reproduction(carded.artifacts, reproduction(registered.sha256))
    assert infrastructure.training_is_reproducible(facts).points == 0.5
    keep_reproduction(carded.artifacts, reproduction(registered.sha256), run_id="r1")
    assert infrastructure.training_is_reproducible(facts).points == 1.0


def test_a_reproduction_that_differs_or_is_of_another_version_earns_nothing(carded: Carded, tmp_path: Path) -> None:
    registered = carded.register()
    facts = facts_of(carded, tmp_path)
    keep_reproduction(carded.artifacts, reproduction("0" * 64), run_id="r1")
    assert "not made again yet" in infrastructure.training_is_reproducible(facts).missing
    keep_reproduction(carded.artifacts, reproduction(registered.sha256, is_equal=False), run_id="r1")
    assert infrastructure.training_is_reproducible(facts).missing == "it came out otherwise"


def test_a_rehearsed_rollback_and_its_tests_earn_half_a_point_each(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    made_by_this_code(carded)
    assert infrastructure.serving_can_be_rolled_back(facts_of(carded, tmp_path)).points == 0.0
    record_tests(tmp_path, passed=[ROLLBACK])
    assert infrastructure.serving_can_be_rolled_back(facts_of(carded, tmp_path)).points == 0.5
    registry = carded.tracking.registry
    facts = {"run_id": "", "model_uri": "u", "sha256": "s", "as_of": AS_OF + dt.timedelta(days=31), "fingerprint": "f2"}
    second = registry.register(NAME, gate="approved", **facts)  # type: ignore[arg-type]
    registry.promote(NAME, second.version, "fresher")
    registry.roll_back(NAME, reason="a rehearsal", by="Ada")
    assert infrastructure.serving_can_be_rolled_back(facts_of(carded, tmp_path)).points == 1.0


def test_a_check_counts_for_the_rows_that_its_own_run_published(carded: Carded, tmp_path: Path) -> None:
    carded.register()

    @dg.asset(
        key=FEATURES,
        partitions_def=dg.DailyPartitionsDefinition("2013-01-01"),
        io_manager_key="tables",
        metadata={PARTITION_COLUMN: "service_date", SORT_BY: ["service_date"]},
        check_specs=[dg.AssetCheckSpec(ROWS_MEET_THE_CONTRACT, asset=FEATURES)],
    )
    def features() -> object:
        yield dg.AssetCheckResult(passed=True)
        yield dg.Output(pl.DataFrame({"service_date": [dt.date(2013, 1, 2)]}))

    done = dg.materialize(
        [features], instance=carded.instance, resources=storage_resources(carded.settings), partition_key="2013-01-02"
    )
    facts, name = facts_of(carded, tmp_path), "flights/delay_features"
    found = facts.check(ROWS_MEET_THE_CONTRACT, [Days(name, None, ["2013-01-02"])], "again")
    assert (found.points, found.proofs[0].reference) == (1.0, f"in run {done.run_id}")
    assert facts.check(ROWS_MEET_THE_CONTRACT, [Days(name, None, DAYS[:3])], "again").points == 0.0
    assert facts.check(ROWS_MEET_THE_CONTRACT, [Days(name, 0, ["2013-01-02"])], "again").points == 0.0


def test_any_change_of_code_gives_another_hash(tmp_path: Path) -> None:
    source = tmp_path / "ml_platform" / "a.py"
    source.parent.mkdir()
    source.write_text("x = 1")
    before = code_hash(tmp_path)
    source.write_text("x = 1  # one")
    assert code_hash(tmp_path) != before
    source.rename(source.with_name("b.py"))
    assert len({before, code_hash(tmp_path)}) == 2
