"""A year-end of toy flights: four a day, those of the evening late, and models that know it."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import yaml

from ml_platform.components.use_case import load_use_case
from ml_platform.evaluation.baseline import Baseline, GroupRate
from ml_platform.serving.component import Deployment
from ml_platform.serving.decisions import Places
from ml_platform.serving.deployment import build_deployment
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.models import TabularModel, dumps, encode
from ml_platform.tracking.registry import Gate, RegisteredModel
from ml_platform.tracking.resource import MlflowTracking
from ml_platform_tests.tracking.scenario import opened

FOLDER = PROJECT_ROOT / "ml_platform/use_cases/flights"
KEYS = ["service_date", "carrier", "flight_number", "origin", "scheduled_departure_at"]
NAME = "flights_delay"
HOURS = (6, 10, 18, 21)
LATE_BY_CARRIER = Baseline(
    name="carrier_by_hour_rate",
    by=("carrier",),
    overall_rate=0.5,
    groups=(GroupRate(group=("UA",), rate=0.25),),
)


def deployment(
    *,
    requires_approval: bool = False,
    trial: Mapping[str, Any] | None = None,
    has_fallback: bool = True,
    sinks: Sequence[Mapping[str, Any]] = (),
    **quality: Any,
) -> Deployment:
    """The deployment of flights as its YAML declares it, with other limits, and with sinks, if given."""
    attributes = yaml.safe_load((FOLDER / "serving/defs.yaml").read_text())["attributes"]
    attributes["predictions"] |= {"sinks": sinks, **({} if has_fallback else {"fallback": None})}
    attributes["champion"] |= {"requires_approval": requires_approval, "trial": trial}
    attributes["quality"] |= {"fewest_labels": 2, **quality}
    return Deployment.model_validate(attributes)


def flights(days: Sequence[str], features: bool = True) -> pl.DataFrame:
    """Four flights a day with the hour of each, or their labels: late after noon."""
    rows = [
        (dt.date.fromisoformat(day), "UA", number, "EWR", hour) for day in days for number, hour in enumerate(HOURS, 1)
    ]
    frame = pl.DataFrame(rows, schema=[*KEYS[:4], "hour"], orient="row").with_columns(
        scheduled_departure_at=pl.datetime(2013, 1, 1, pl.col("hour"), time_zone="UTC", time_unit="us"),
        hour=pl.col("hour").cast(pl.Float32),
    )
    return frame if features else frame.select(*KEYS, is_late=pl.col("hour") > 12)


def definitions(settings: Settings, **quality: Any) -> dg.Definitions:
    """The deployment of flights with its resources where `settings` says."""
    resources = {**storage_resources(settings), "tracking": MlflowTracking.from_settings(settings)}
    whole = build_deployment(deployment(**quality), load_use_case(FOLDER))
    return dg.Definitions.merge(whole, dg.Definitions(resources=resources))


class World:
    """Tables, artifacts and registry in one folder, and the deployment over them."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        """Use `home`, in which the tracking store already has its schema."""
        self.settings = Settings(home=home)
        self.location = StorageLocation.of(self.settings)
        self.tracking = MlflowTracking.from_settings(self.settings)
        self.instance = instance

    def publish(self, table: str, frame: pl.DataFrame, days: Sequence[str]) -> None:
        """Publish `frame` as those days of a table of another location."""
        self.location.tables().publish(f"flights/{table}", frame, days, key="service_date", sort_by=KEYS)

    def land(self, days: Sequence[str], *, labelled: Sequence[str] | None = None) -> None:
        """Publish features of the days, and labels of those in `labelled`, by default all."""
        self.publish("delay_features", flights(days), days)
        known = flights(days, features=False).filter(
            pl.col("service_date").cast(pl.String).is_in(list(labelled or days))
        )
        self.publish("delay_labels", known, days)

    def register(self, month: str, gate: Gate = "approved", *, inverted: bool = False) -> RegisteredModel:
        """A version as of the month; an inverted one takes morning for evening."""
        data = dumps(hour_model(inverted=inverted, seed=int(month[5:7])))
        sha256 = hashlib.sha256(data).hexdigest()
        artifacts = self.location.artifacts()
        artifacts.write(path := f"models/flights/delay/{sha256}.skops", data)
        record = {"baselines": [LATE_BY_CARRIER.model_dump(mode="json")]}
        artifacts.write(f"training/flights/delay/{sha256}/result.json", json.dumps(record).encode())
        return self.tracking.registry.register(
            NAME,
            run_id=opened(self.tracking),
            model_uri=artifacts.uri_of(path),
            sha256=sha256,
            as_of=dt.date.fromisoformat(month),
            fingerprint=sha256,
            gate=gate,
            gate_reason="worse than the baselines" if gate == "refused" else "better",
        )

    def run(self, asset: str, first: str, last: str = "", **quality: Any) -> dg.ExecuteInProcessResult:
        """Materialize one asset for a partition, or for a range of them in one run."""
        defs = definitions(self.settings, **quality)
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last} if last else {}
        job = defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey(["flights", asset])],
            partition_key=None if last else first,
            tags=tags,
            instance=self.instance,
        )

    @property
    def places(self) -> Places:
        """Where decisions are carried out."""
        return Places(self.tracking.registry, self.location.artifacts(), self.instance)

    def told(self, asset: str, partition: str) -> dg.AssetMaterialization:
        """What Dagster knows last of a partition."""
        asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["flights", asset]), asset_partitions=[partition])
        found = self.instance.fetch_materializations(asked, limit=1).records[0].asset_materialization
        assert found is not None
        return found

    def promote(self, *months: str, gate: Gate = "approved") -> None:
        """Register and promote a version for each of the months."""
        for month in months:
            self.register(month, gate)
            self.run("delay_champion", month)

    def table(self, name: str) -> pl.DataFrame:
        """What a reader sees of a table."""
        return (
            self.location.tables().scan(f"flights/{name}").collect().sort(KEYS if name != "delay_quality" else KEYS[:1])
        )

    def metadata(self, result: dg.ExecuteInProcessResult) -> Mapping[str, Any]:
        """Metadata of the last materialization of a run, as plain values."""
        event = [each for each in result.all_events if each.is_step_materialization][-1]
        return {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}


def hour_model(*, inverted: bool = False, seed: int = 0) -> TabularModel:
    """A regression on the hour, sure of late flights after noon; versions of different months differ in their seed."""
    from sklearn.linear_model import LogisticRegression

    frame = flights(["2013-01-01", "2013-01-02"])
    labels = (frame["hour"] > 12).to_numpy() != inverted
    fitted = LogisticRegression(random_state=seed).fit(encode(frame, ("hour",), {}), labels)
    return TabularModel(fitted, ("hour",), {}, "logistic", seed)
