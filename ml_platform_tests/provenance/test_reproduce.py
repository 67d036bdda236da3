"""A version made again in a real process, from real tables and a real registry."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from ml_platform.commands.reproduce import told
from ml_platform.errors import ModelNotFoundError, ReproductionError
from ml_platform.lineage.checkout import Checkout, git
from ml_platform.lineage.environment import Environment
from ml_platform.provenance.catalog import read_catalogs
from ml_platform.provenance.reproduce import Code, Declared, code_of, reproduce
from ml_platform.provenance.reproduce_differences import (
    code_differences,
    config_differences,
    environment_differences,
    install_command,
)
from ml_platform.storage.restoring import restore
from ml_platform.training.records import Origin
from ml_platform.training.training_run import origin_of
from ml_platform_tests.provenance.retold import CONFIG, DAYS, World, build_world
from ml_platform_tests.tracking.conftest import empty_store  # noqa: F401
from ml_platform_tests.training.scenario import departures, publish, toy_model


@pytest.fixture(scope="module")
def made(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> World:  # noqa: F811
    return build_world(empty_store, tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(made: World, tmp_path: Path) -> World:
    """The world copied, so that a test may change it."""
    shutil.copytree(made.settings.home, tmp_path / "home")
    return made._replace(settings=made.settings.model_copy(update=_below(tmp_path / "home")))


def _below(home: Path) -> dict[str, object]:
    return {
        "home": home,
        "data_uri": f"file://{home}/lake",
        "artifact_uri": f"file://{home}/artifacts",
        "mlflow_tracking_uri": f"sqlite:///{home}/mlflow/mlflow.db",
    }


def test_a_version_is_made_again_to_the_last_bit_and_nothing_is_written(made: World) -> None:
    before = made.files()
    found = made.again()
    assert found.is_equal
    assert found.rebuilt.sha256 == made.registered.sha256
    assert (found.results, found.rebuilt.predictions.rows_equal) == ((), 90)  # type: ignore[union-attr]
    assert [each for each in found.circumstances if each.aspect != "code"] == []
    assert made.files() == before


def test_a_snapshot_reads_as_before_whatever_is_published_or_restored_later(world: World) -> None:
    changed = departures(days=70, each_day=30).with_columns(hour=pl.col("hour") + 1)
    publish(world.location.tables(), changed)
    restore(world.location.tables(), "toy/labels", 0)
    found = world.again()
    assert found.is_equal
    (told_of,) = [each for each in found.circumstances if each.aspect == "inputs"]
    assert "version 1 differs on 2013-01-01, 2013-01-02" in told_of.found
    assert "and 54 more" in told_of.found


def test_another_seed_and_another_prediction_are_not_equal_and_said(world: World) -> None:
    path = next((world.settings.home / "artifacts/training").rglob("result.json"))
    path.write_text(path.read_text().replace('"seed":0', '"seed":1'))
    first_day = world.location.tables().scan("toy/predictions", partitions=DAYS[:1]).collect()
    world.publish_predictions(first_day.with_columns(pl.col("probability") * 0.5), 0)
    found = world.again()
    assert not found.is_equal
    assert {each.aspect for each in found.results} == {"search", "model", "predictions"}
    text = "\n".join(told(found))
    assert "NOT equal" in text
    assert "seed: recorded 1, now 0" in text


def test_a_snapshot_that_is_gone_is_an_error_with_a_way_out(world: World) -> None:
    for file in (world.settings.home / "lake/toy/features").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(ReproductionError, match="was to make toy_delay 1 again") as caught:
        world.again()
    assert "No table, registry entry or artifact was touched" in str(caught.value)


def test_a_version_without_a_record_is_an_error_that_says_what_to_do(world: World) -> None:
    shutil.rmtree(world.settings.home / "artifacts/training")
    with pytest.raises(ReproductionError, match=r"no record.*Materialize the model for 2013-03-01 again"):
        world.again()


def test_a_version_that_does_not_exist_is_named(made: World) -> None:
    with pytest.raises(ModelNotFoundError, match="no version 7"):
        reproduce(made.settings, "toy_delay", 7, declared=Declared(None, None))


def test_packages_that_differ_are_named_with_the_command_that_installs_them() -> None:
    recorded = Environment(python="3.11.4", machine="Linux x86_64", packages={"numpy": "2.4.6", "gone": "1.0"})
    now = recorded.model_copy(update={"python": "3.11.9", "packages": {"numpy": "2.5.0", "new": "2.0"}})
    found = list(environment_differences(recorded, now))
    assert [(each.what, each.recorded, each.found) for each in found] == [
        ("python", "3.11.4", "3.11.9"),
        ("gone", "1.0", "not there"),
        ("new", "not there", "2.0"),
        ("numpy", "2.4.6", "2.5.0"),
    ]
    assert install_command(found) == "pip install gone==1.0 numpy==2.4.6"


def test_definitions_and_fields_that_differ_are_named() -> None:
    code = list(code_differences({"a:f": "1", "a:g": "2"}, {"a:f": "1", "a:g": "3"}))
    assert [(each.what, each.recorded, each.found) for each in code] == [("a:g", "2", "3")]
    fields = list(config_differences(CONFIG, toy_model(iterations=21)))
    assert [(each.what, each.recorded, each.found) for each in fields] == [("iterations", "20", "21")]
    assert [each.found for each in config_differences(CONFIG, None)] == ["no longer declared"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits of one file."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    for text in ("first", "second"):
        (root / "code.py").write_text(text)
        git(root, "add", "code.py")
        git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", text)
    return root


def chosen(root: Path, commit: str | None, *, is_clean: bool | None = True) -> tuple[Code, str]:
    """The code that is chosen for a model of that commit, and what `code.py` says there."""
    origin = origin_of("toy", CONFIG, "run").model_copy(update={"checkout": Checkout(commit=commit, is_clean=is_clean)})
    with code_of(origin, "recorded", root) as code:
        return code, (code.root / "code.py").read_text()


def test_an_earlier_commit_is_copied_out_of_git_and_the_same_commit_is_run_here(repository: Path) -> None:
    first, second = git(repository, "rev-parse", "HEAD~1"), git(repository, "rev-parse", "HEAD")
    code, text = chosen(repository, first)
    assert (text, code.root == repository) == ("first", False)
    assert code.told == f"a clean copy of the recorded commit {str(first)[:12]}"
    code, text = chosen(repository, second)
    assert (text, code.root) == ("second", repository)
    (repository / "code.py").write_text("third")
    assert chosen(repository, second)[1] == "second"


@pytest.mark.parametrize(
    ("commit", "is_clean", "reason"),
    [
        (None, None, "the code was installed without git"),
        ("0" * 40, True, "is not in this clone"),
        ("0" * 40, False, "with uncommitted changes, which git does not have"),
    ],
)
def test_code_that_git_does_not_have_is_said(
    repository: Path, commit: str | None, is_clean: bool | None, reason: str
) -> None:
    code, text = chosen(repository, commit, is_clean=is_clean)
    assert text == "second"
    assert reason in code.told


def test_the_use_cases_say_how_a_model_is_made_and_where_it_predicts() -> None:
    model, deployment = Declared.of(read_catalogs(), "flights_delay")
    assert model is not None
    assert deployment is not None
    assert (model.name, deployment.predictions.name) == ("delay", "delay_predictions")
    assert Declared.of(read_catalogs(), "nothing") == (None, None)


def test_an_origin_can_be_written_and_read() -> None:
    origin = origin_of("toy", CONFIG, "run")
    assert Origin.model_validate_json(origin.model_dump_json()).code == origin.code
