"""Tables computed a few days at a time, as after memory ran out."""

from pathlib import Path

from ml_platform.settings import Settings
from ml_platform_tests.data.test_pipeline import DAYS, open_platform, pipeline

ENDS = {"dagster/asset_partition_range_start": str(DAYS[0]), "dagster/asset_partition_range_end": str(DAYS[-1])}


def content(folder: Path, lost_processes: int) -> dict[str, dict[str, str]]:
    """The hash of each partition that one run over all days publishes, after that many processes were lost."""
    with open_platform(Settings(home=folder), pipeline()) as platform:
        job = platform.definitions.resolve_job_def("build_flights_days")
        tags = {**ENDS, "ml_platform/lost_processes": str(lost_processes)}
        assert job.execute_in_process(instance=platform.instance, tags=tags).success
        return platform.hashes()


def test_what_is_computed_in_batches_is_to_the_byte_what_is_computed_at_once(tmp_path: Path) -> None:
    assert content(tmp_path / "batches", 2) == content(tmp_path / "at_once", 0)
