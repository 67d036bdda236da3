from pathlib import Path

import pytest

from ml_platform.errors import TableNotFoundError
from ml_platform.lineage.snapshots import snapshot_of
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform_tests.storage.scenario import TABLE, publish, readings, table_store


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    store = table_store(tmp_path)
    publish(store, readings())
    return Pins(ObjectStore(f"file://{tmp_path}/artifacts"), store, "run-1")


def another_step(pins: Pins) -> Pins:
    return Pins(pins.objects, pins.tables, pins.run_id)


def test_a_run_reads_one_version_whatever_is_published_meanwhile(pins: Pins) -> None:
    assert pins.pin(TABLE) == 0
    publish(pins.tables, readings().clear())
    assert another_step(pins).pin(TABLE) == 0
    assert Pins(pins.objects, pins.tables, "run-2").pin(TABLE) == 1


class SeenBeforeThePin(ObjectStore):
    """The store as a step saw it that looked just before another step pinned."""

    def exists(self, path: str) -> bool:
        return False


def test_of_two_steps_that_pin_at_once_the_first_decides(pins: Pins) -> None:
    late = Pins(SeenBeforeThePin(pins.objects.uri), pins.tables, pins.run_id)
    assert pins.pin(TABLE) == 0
    publish(pins.tables, readings().clear())
    assert (late.pin(TABLE), pins.pin(TABLE)) == (0, 0)


def test_a_run_reads_what_it_published_itself(pins: Pins) -> None:
    pins.pin(TABLE)
    pins.repin(TABLE, publish(pins.tables, readings().clear()).version)
    assert another_step(pins).pin(TABLE) == 1
    assert pins.pins() == {TABLE: 1}


def test_a_table_that_was_never_published_cannot_be_pinned(pins: Pins) -> None:
    with pytest.raises(TableNotFoundError, match="toy/other was never published"):
        pins.pin("toy/other")
    assert pins.pins() == {}


def test_the_fingerprint_of_a_snapshot_depends_on_content_and_not_on_versions(pins: Pins) -> None:
    pins.pin(TABLE)
    before = snapshot_of(pins)
    publish(pins.tables, readings().clear())
    pins.repin(TABLE, publish(pins.tables, readings()).version)
    after = snapshot_of(pins)
    assert (before.versions, after.versions) == ({TABLE: 0}, {TABLE: 2})
    assert before.fingerprint == after.fingerprint
