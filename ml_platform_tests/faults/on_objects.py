"""Objects that a run leaves and a later one relies on: checkpoints, a model and its record, pins, memory of work."""

from functools import cache

from ml_platform.recovery.checkpoints import CheckpointStore
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.memo import Made, Memo
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform.storage.tables import PartitionState, TableStore
from ml_platform.training.records import TrainedModel
from ml_platform.training.splits import windows_at
from ml_platform.training.training_run import TrainingRun
from ml_platform_tests.faults.operation import ABSENT, Operation, Seen, digest
from ml_platform_tests.storage.scenario import TABLE, publish, readings
from ml_platform_tests.training.scenario import FEATURES, MARCH, toy_inputs, toy_model

MEBIBYTE = bytes(range(256)) * 4096
MODEL = "models/toy/delay/some.skops"
RUN = "a-run"
PUBLISHED = {day: PartitionState(f"content of {day}", 3) for day in ("2013-01-01", "2013-01-02")}
MADE_FROM = {day: f"recipe of {day}" for day in PUBLISHED}


def _artifacts(settings: Settings) -> ObjectStore:
    return StorageLocation.of(settings).artifacts()


def _checkpoints(settings: Settings) -> CheckpointStore:
    return CheckpointStore(_artifacts(settings), "training/checkpoints")


def _two_checkpoints(settings: Settings) -> None:
    for step in (1, 2):
        _checkpoints(settings).save(step, MEBIBYTE[step:])


def _save_a_third(settings: Settings) -> str:
    _checkpoints(settings).save(3, MEBIBYTE[3:])
    return ""


def _see_checkpoints(settings: Settings) -> Seen:
    found = _checkpoints(settings).latest()
    return {"checkpoint": ABSENT if found is None else f"{found.step}: {digest(found.data)}, skipped {found.skipped}"}


def _training(settings: Settings) -> TrainingRun:
    return TrainingRun(_artifacts(settings), "toy", toy_model(), "f" * 64)


@cache
def _model(uri: str) -> TrainedModel:
    return TrainedModel(
        as_of=MARCH,
        uri=uri,
        sha256=digest(MEBIBYTE),
        fingerprint="f" * 64,
        trainer="hist_gradient_boosting",
        parameters={},
        iterations=20,
        features=FEATURES,
        inputs=toy_inputs(),
        windows=windows_at(MARCH, "America/New_York", toy_model().windows),
        rows={},
        baselines=(),
        trials=(),
        mlflow_run_id="",
        mlflow_uri="",
    )


def _fitted(settings: Settings) -> None:
    checkpoints = CheckpointStore(_training(settings).objects, "checkpoints")
    for step in (8, 16):
        checkpoints.save(step, MEBIBYTE[step:])
    _training(settings).objects.write("matrices.npz", MEBIBYTE)


def _store_model_and_record(settings: Settings) -> str:
    artifacts, training = _artifacts(settings), _training(settings)
    if training.finished() is None:
        artifacts.write(MODEL, MEBIBYTE)
        training.finish(_model("some.skops"))
    return str(training.finished())


def _see_model_and_record(settings: Settings) -> Seen:
    artifacts, finished = _artifacts(settings), _training(settings).finished()
    model = digest(artifacts.read(MODEL)) if artifacts.exists(MODEL) else ABSENT
    if finished is None:  # then the work can go on from where it stood
        assert artifacts.exists(f"{_training(settings).objects.uri.removeprefix(artifacts.uri)[1:]}/matrices.npz")
    return {"model": model, "record": ABSENT if finished is None else digest(finished.model_dump(mode="json"))}


def _one_table(settings: Settings) -> None:
    publish(TableStore.from_settings(settings), readings())


def _pins(settings: Settings) -> Pins:
    return Pins(_artifacts(settings), TableStore.from_settings(settings), RUN)


def _pin(settings: Settings) -> str:
    return str(_pins(settings).pin(TABLE))


def _repin(settings: Settings) -> str:
    _pins(settings).repin(TABLE, 1)
    return ""


def _pinned(settings: Settings) -> None:
    _one_table(settings)
    _pin(settings)


def _see_pins(settings: Settings) -> Seen:
    return {"pin": str(_pins(settings).pins().get(TABLE, ABSENT))}


def _remembered_before(settings: Settings) -> None:
    _remember(settings, "2013-01-01")


def _remember(settings: Settings, day: str) -> None:
    made = {day: Made(MADE_FROM[day], PUBLISHED[day].content_hash, {"rows_in": 3})}
    Memo(_artifacts(settings), TABLE).record(made)


def _remember_another(settings: Settings) -> str:
    _remember(settings, "2013-01-02")
    return ""


def _see_memo(settings: Settings) -> Seen:
    reusable = Memo(_artifacts(settings), TABLE).reusable(MADE_FROM, PUBLISHED)
    return {"reusable": digest({day: dict(told) for day, told in reusable.items()})}


OPERATIONS = {
    "save a checkpoint": Operation(_two_checkpoints, _save_a_third, _see_checkpoints),
    "store a model and its record": Operation(_fitted, _store_model_and_record, _see_model_and_record),
    "pin a table for a run": Operation(_one_table, _pin, _see_pins),
    "pin what the run published": Operation(_pinned, _repin, _see_pins),
    "remember a partition's recipe": Operation(_remembered_before, _remember_another, _see_memo),
}
