"""What is not as it was: the circumstances of a version, and what came of making it again.

Belongs here: comparing. Does not: making (`reproduce_process`) or deciding where (`reproduce`).
"""

from collections.abc import Iterator, Mapping

from ml_platform.errors import StorageError
from ml_platform.lineage.environment import Environment
from ml_platform.provenance.reproduction import Answer, Aspect, Difference
from ml_platform.storage.tables import TableStore
from ml_platform.training.config import ModelConfig
from ml_platform.training.records import Origin, TableRead, TrainedModel
from ml_platform.training.search import TrialOutcome

ABSENT = "not there"
SHOWN_PARTITIONS = 5


def environment_differences(recorded: Environment, now: Environment) -> Iterator[Difference]:
    """Python, the machine, and every package that is installed in another version, or in one of the two only."""
    for what, before, after in (("python", recorded.python, now.python), ("machine", recorded.machine, now.machine)):
        if before != after:
            yield Difference(aspect="environment", what=what, recorded=before, found=after)
    yield from _of_mappings("environment", recorded.packages, now.packages)


def code_differences(recorded: Mapping[str, str], ran: Mapping[str, str]) -> Iterator[Difference]:
    """Every definition of training that is not what it was."""
    for each in _of_mappings("code", recorded, ran):
        short = {"recorded": each.recorded[:12], "found": each.found[:12]}
        yield each.model_copy(update=short)


def config_differences(recorded: ModelConfig, declared: ModelConfig | None) -> Iterator[Difference]:
    """Every field that defs.yaml has otherwise by now; the model is made with the recorded ones."""
    if declared is None:
        yield Difference(aspect="config", what="the model", recorded=recorded.name, found="no longer declared")
        return
    before, after = recorded.model_dump(mode="json"), declared.model_dump(mode="json")
    yield from _of_mappings(
        "config", {name: str(value) for name, value in before.items()}, {n: str(value) for n, value in after.items()}
    )


def input_differences(tables: TableStore, model: TrainedModel) -> Iterator[Difference]:
    """For both tables: a snapshot that no longer reads as recorded, and days whose content has changed since."""
    for read in (model.inputs.features, model.inputs.labels):
        yield from _of_table(tables, read, before=model.as_of.isoformat())


def result_differences(model: TrainedModel, answer: Answer) -> Iterator[Difference]:
    """Trials, bytes and predictions that did not come out as they were."""
    yield from _of_trials(model.trials, answer.trials)
    if model.sha256 != answer.sha256:
        yield Difference(aspect="model", what="sha256 of its bytes", recorded=model.sha256, found=answer.sha256)
    told = answer.predictions
    if told is not None and (told.rows_equal != told.rows or told.rows_surplus):
        found = f"{told.rows_equal:,} equal, {told.rows_missing:,} missing, {told.rows_surplus:,} more"
        apart = f"largest difference of a prediction {told.largest_difference:.3g}"
        yield Difference(aspect="predictions", what="rows", recorded=f"{told.rows:,}", found=f"{found}; {apart}")


def is_decisive(difference: Difference, origin: Origin) -> bool:
    """Whether the difference can change the model: of packages, only those that the code of training uses."""
    return difference.aspect != "environment" or difference.what in (*origin.packages, "python", "machine")


def install_command(differences: list[Difference]) -> str:
    """The command that brings back the recorded versions of the packages among `differences`; empty for none."""
    packages = [each for each in differences if each.aspect == "environment" and each.what not in ("python", "machine")]
    wanted = [f"{each.what}=={each.recorded}" for each in packages if each.recorded != ABSENT]
    return f"pip install {' '.join(wanted)}" if wanted else ""


def _of_table(tables: TableStore, read: TableRead, before: str) -> Iterator[Difference]:
    try:
        recorded = tables.partitions(read.table, read.version)
    except StorageError as error:
        yield Difference(aspect="inputs", what=read.table, recorded=f"version {read.version}", found=error.what)
        return
    days = [day for day in recorded if day < before]
    root = tables.content_root(read.table, days, read.version)
    if root != read.content_root:
        yield Difference(
            aspect="inputs", what=f"{read.table} {read.version}", recorded=read.content_root[:12], found=root[:12]
        )
    newest = tables.partitions(read.table)
    changed = [
        day for day in sorted({*days, *(day for day in newest if day < before)}) if recorded.get(day) != newest.get(day)
    ]
    if changed:
        more = f" and {len(changed) - SHOWN_PARTITIONS} more" if len(changed) > SHOWN_PARTITIONS else ""
        told = f"version {tables.version(read.table)} differs on {', '.join(changed[:SHOWN_PARTITIONS])}{more}"
        yield Difference(aspect="inputs", what=read.table, recorded=f"version {read.version}, still reads", found=told)


def _of_trials(recorded: tuple[TrialOutcome, ...], made: tuple[TrialOutcome, ...]) -> Iterator[Difference]:
    before, after = ({_trial(each): _outcome(each) for each in trials} for trials in (recorded, made))
    yield from _of_mappings("search", before, after)


def _trial(trial: TrialOutcome) -> str:
    return f"trial {trial.number}, {trial.iterations} iterations"


def _outcome(trial: TrialOutcome) -> str:
    loss = trial.validation_loss
    return f"failed: {trial.failure}" if loss is None else f"loss {loss!r} with {trial.parameters}"


def _of_mappings(aspect: Aspect, recorded: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*recorded, *found}):
        before, after = recorded.get(name, ABSENT), found.get(name, ABSENT)
        if before != after:
            yield Difference(aspect=aspect, what=name, recorded=before, found=after)
