"""A toy platform that serves: four days of flights, two small models, and no Dagster or MLflow anywhere near."""

import datetime as dt
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.baseline import Baseline, GroupRate
from ml_platform.online.declared import OnlineModel, online_model
from ml_platform.online.following import Follower
from ml_platform.online.local_copy import LocalCopy
from ml_platform.point_in_time.features import KnownTable, build_features
from ml_platform.serving.promotion import Promotion
from ml_platform.serving.trials import TrialLimits
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.models import TabularModel, dumps, encode, learn_categories, predict_probability
from ml_platform.tracking.registry_log import Entry, ModelFacts, RegistryLog
from ml_platform.tracking.standing import RegisteredModel, Standing
from ml_platform.use_cases.flights.contract import CleanFlights, CleanWeather
from ml_platform.use_cases.flights.features import delay_features, prediction_at
from ml_platform_tests.scenario import FIRST_DAY, Flight, clean_flights, hourly_weather

NAME, MONTH, NEXT_MONTH = "flights_delay", dt.date(2013, 1, 1), FIRST_DAY
MONTH_AFTER = NEXT_MONTH + dt.timedelta(days=1)
"""Months of the toy world are as short as it needs."""
DAYS = 4
COLUMNS = (
    "carrier",
    "scheduled_minute_of_day",
    "weekday",
    "network_arrival_delay_minutes_1d",
    "origin_overdue_flights",
)
ASKED = (
    "service_date",
    "carrier",
    "flight_number",
    "origin",
    "scheduled_departure_at",
    "destination",
    "distance_miles",
    "scheduled_departure_minute_of_day",
    "scheduled_arrival_at",
    "scheduled_minutes",
)
MODEL: OnlineModel = online_model(NAME)
BASELINE = Baseline(
    name="carrier_by_hour_rate", by=("carrier",), overall_rate=0.5, groups=(GroupRate(group=("AA",), rate=0.25),)
)


def flights() -> pl.DataFrame:
    """Fifteen flights a day of two carriers, later ones with longer delays."""
    return clean_flights(
        *(
            Flight(f"{6 + hour:02}:00", day, carrier, number, departure_delay=3 * hour, arrival_delay=4 * hour - day)
            for day in range(DAYS)
            for number, (hour, carrier) in enumerate(((h, c) for h in range(0, 15, 2) for c in ("AA", "UA")), 1)
        )
    )


def weather() -> pl.DataFrame:
    """Hourly weather of these days."""
    return hourly_weather(days=DAYS)


@cache
def features() -> pl.DataFrame:
    """The features as the batch makes them."""
    inputs = {"flights": KnownTable(flights(), CleanFlights), "weather": KnownTable(weather(), CleanWeather)}
    spine = KnownTable(flights(), CleanFlights)
    return build_features(delay_features, spine=spine, inputs=inputs, prediction_at=prediction_at)


@cache
def model(seed: int) -> TabularModel:
    """Three trees on what is known of a flight; versions of different seeds differ."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    categories = learn_categories(features(), COLUMNS)
    late = np.random.default_rng(seed).random(features().height) < 0.4
    fitted = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=3, random_state=seed)
    return TabularModel(fitted.fit(encode(features(), COLUMNS, categories), late), COLUMNS, categories, "hist", 3)


class OnlineWorld:
    """Tables, artifacts and registry in one folder, and a follower over them."""

    def __init__(self, home: Path, **settings: Any) -> None:
        """Tables of four days, published from the first day of the use case on; nothing is promoted yet."""
        self.settings = Settings(home=home, serve_days=DAYS, **settings)
        self.tables = TableStore.from_settings(self.settings)
        uri = self.settings.artifact_uri
        self.artifacts = ObjectStore(uri, self.settings.fsspec_options(uri))
        self.publish(flights(), weather())

    def publish(self, flown: pl.DataFrame, seen: pl.DataFrame) -> None:
        """Publish both tables; the days before the first flight have no row."""
        days = [
            str(MODEL.first_day + dt.timedelta(days=day)) for day in range((FIRST_DAY - MODEL.first_day).days + DAYS)
        ]
        self.tables.publish("flights/clean", flown, days, key="service_date")
        self.tables.publish("flights/weather_clean", seen, days, key="service_date")

    def promote(self, version: int, *, is_damaged: bool = False) -> RegisteredModel:
        """Register and promote version `version`, whose model has that seed; damaged, its bytes are not those."""
        self._registered(version, MONTH, is_damaged=is_damaged)
        log = RegistryLog(self.artifacts.below("registry"), NAME)
        return self.record(Standing(log.record(lambda _: Entry(version, "promoted", "test", "better"))))

    def _registered(
        self, version: int, month: dt.date, *, is_damaged: bool, seed: int | None = None
    ) -> RegisteredModel:
        data = dumps(model(version if seed is None else seed))
        sha256 = hashlib.sha256(data).hexdigest()
        path = f"models/flights/delay/{sha256}.skops"
        self.artifacts.write(path, data[:-1] + b"?" if is_damaged else data)
        record = {"baselines": [BASELINE.model_dump(mode="json")]}
        self.artifacts.write(f"training/flights/delay/{sha256}/result.json", json.dumps(record).encode())
        facts = ModelFacts(
            as_of=month, uri=self.artifacts.uri_of(path), sha256=sha256, fingerprint=sha256, run_id="run"
        )
        log = RegistryLog(self.artifacts.below("registry"), NAME)
        log.record(lambda _: Entry(version, "registered", "test", "", facts))
        events = log.record(lambda _: Entry(version, "gate_approved", "test", "better"))
        return next(each for each in Standing(events).models if each.version == version)

    def refuse(self, version: int) -> None:
        """Have the gate refuse version `version`, of a month after the next; the champion stays."""
        candidate = self._registered(version, MONTH_AFTER, is_damaged=False)
        champion = Standing(RegistryLog(self.artifacts.below("registry"), NAME).events()).champion()
        refused = Promotion(
            as_of=MONTH_AFTER, candidate=candidate, is_promoted=False, outcome="refused", reason="", champion=champion
        )
        self.artifacts.write(f"records/{MODEL.champions}/{MONTH_AFTER}.json", refused.model_dump_json().encode())

    def wait(self, version: int, *, is_damaged: bool = False, seed: int | None = None) -> RegisteredModel:
        """Have the gate approve version `version`, of the next month, which waits to be tried on requests.

        Its model has that seed too, unless another is given.
        """
        candidate = self._registered(version, NEXT_MONTH, is_damaged=is_damaged, seed=seed)
        standing = Standing(RegistryLog(self.artifacts.below("registry"), NAME).events())
        champion = standing.champion()
        waiting = Promotion(
            as_of=NEXT_MONTH, candidate=candidate, is_promoted=False, outcome="waiting", reason="", champion=champion
        )
        self.artifacts.write(f"records/{MODEL.champions}/{NEXT_MONTH}.json", waiting.model_dump_json().encode())
        return candidate

    def roll_back(self) -> RegisteredModel:
        """Withdraw the champion."""
        log = RegistryLog(self.artifacts.below("registry"), NAME)
        before, champion = Standing(log.events()).promoted[-2:]
        withdrawn = Entry(champion.version, "rolled_back", "test", "worse", instead=before.version)
        return self.record(Standing(log.record(lambda _: withdrawn)))

    def record(self, standing: Standing) -> RegisteredModel:
        """Write who is champion of the month, as the promotion asset does."""
        champion = standing.champion()
        assert champion is not None
        promotion = Promotion(
            as_of=MONTH, candidate=champion, is_promoted=True, outcome="promoted", reason="better", champion=champion
        )
        self.artifacts.write(f"records/{MODEL.champions}/{MONTH}.json", promotion.model_dump_json().encode())
        return champion

    def damage(self, version: RegisteredModel) -> None:
        """Change one byte of a version's bytes."""
        path = version.uri.removeprefix(f"{self.artifacts.uri}/")
        self.artifacts.write(path, self.artifacts.read(path)[:-1] + b"?")

    def follower(self, trial: TrialLimits | None = None, home: Path | None = None) -> Follower:
        """A follower that has not looked yet, as a process that starts has one, in a home of its own if given."""
        copy = LocalCopy.of(Settings(home=home) if home else self.settings, NAME, self.artifacts)
        return Follower(MODEL._replace(trial=trial), self.tables, self.artifacts, copy, self.settings.serve_days)


def request(rows: pl.DataFrame | None = None, **changes: object) -> bytes:
    """A request for `rows` of the clean flights, all by default, each with these changes; None takes a field away."""
    asked = (flights() if rows is None else rows).select(ASKED).to_dicts()
    changed = [{name: value for name, value in {**row, **changes}.items() if value is not None} for row in asked]
    return json.dumps({"rows": changed}, default=lambda value: value.isoformat()).encode()


def batch(version: int, rows: pl.DataFrame | None = None) -> list[float]:
    """What the batch predicts with a version."""
    made = features() if rows is None else features().join(rows.select(ASKED[:5]), on=ASKED[:5], how="semi")
    return predict_probability(model(version), made).tolist()
