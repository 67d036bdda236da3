"""Registered models: what there is, what was decided, who answers; and the decisions that people make.

Belongs here: options and output. Does not: the rules (`tracking.registry`), or carrying them out (`serving.decisions`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.terminal import console, table
from ml_platform.this_user import this_user

if TYPE_CHECKING:
    from ml_platform.serving.decisions import Decided, Places
    from ml_platform.tracking.registry import ModelRegistry, RegisteredModel, RegistryEvent

Name = Annotated[str, typer.Argument(help="Registered model, as `ml-platform model list` shows it.")]
Version = Annotated[int, typer.Argument(help="Number of the version.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the log.")]
By = Annotated[str, typer.Option("--by", help="Who decides; the user of this process by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]
At = Annotated[
    datetime | None,
    typer.Option(
        "--at",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
        help="Instant of the clock (UTC): what had been decided by then, by the log.",
    ),
]
Day = Annotated[
    datetime | None,
    typer.Option("--day", formats=["%Y-%m-%d"], help="Day of the data: which version predicts its rows."),
]

app = typer.Typer(help="Registered models and what was decided about them.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add `model ...`, the four decisions and the trials to the command."""
    root.add_typer(app, name="model")
    for command in (rollback, promote, approve, reject, trial):
        root.command()(command)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every registered model with its champion."""
    registry = _registry()
    found = {name: registry.standing(name) for name in registry.names()}
    if as_json:
        typer.echo(_as_json({name: {"versions": len(s.models), "aliases": s.aliases} for name, s in found.items()}))
        return
    rows = [
        (name, str(len(standing.models)), *(str(standing.aliases.get(alias, "-")) for alias in _ALIASES))
        for name, standing in found.items()
    ]
    console().print(table("", ("model", "versions", *(alias.replace("_", " ") for alias in _ALIASES)), rows))


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Every version of a model and where it stands."""
    models = _registry().require_versions(name)
    if as_json:
        typer.echo(_as_json([each.model_dump(mode="json") for each in models]))
        return
    rows = [
        (str(m.version), f"{m.as_of:%Y-%m}", m.gate, m.approval, _standing(m), ", ".join(m.aliases), m.sha256[:12])
        for m in models
    ]
    console().print(table("", ("version", "as of", "gate", "approval", "standing", "aliases", "model bytes"), rows))
    for model in models:
        if model.rolled_back:
            typer.echo(f"Version {model.version} was rolled back {model.rolled_back}")


@app.command()
def log(name: Name, as_json: AsJson = False) -> None:
    """Everything that was decided about a model, oldest first; fails if the log was tampered with."""
    registry = _registry()
    events, head = registry.log(name), registry.verify_log(name)
    if as_json:
        typer.echo(_as_json([each.model_dump(mode="json") for each in events]))
        return
    if not events:
        typer.echo(
            f"{len(registry.require_versions(name))} versions, registered before the log began: a decision begins it."
        )
        return
    rows = [_log_row(each) for each in events]
    console().print(table("", ("entry", "at (UTC)", "version", "what", "by", "why"), rows))
    typer.echo(f"{head.sequence} entries, each sealed to the one before; the last is {head.sha256[:16]}, as in MLflow.")


@app.command()
def champion(name: Name, day: Day = None, at: At = None, as_json: AsJson = False) -> None:
    """Which version answers. Two different questions, which may be combined:

    --day 2013-11-15 asks about the data: which version predicts the rows of that day (trained before its month).

    --at 2026-01-31T12:00 asks about the clock: who was champion at that instant, by the log of decisions.
    """
    registry = _registry()
    registry.require_versions(name)
    instant = None if at is None else at if at.tzinfo else at.replace(tzinfo=UTC)
    found = registry.standing(name, instant).champion(day.date() if day else None)
    asked = {"day": day.date().isoformat() if day else None, "at": instant.isoformat() if instant else None}
    if as_json:
        typer.echo(_as_json({"model": name, **asked, "champion": found.model_dump(mode="json") if found else None}))
        return
    when = f"what was decided until {instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "what is decided now"
    who = f"version {found.version} (as of {found.as_of})" if found else "nobody"
    what = f"rows of {day:%Y-%m-%d} are predicted by" if day else "the champion is"
    typer.echo(f"{name}: by {when}, {what} {who}.")
    if not found:
        typer.echo(_hint(registry, name, instant))


def rollback(
    name: Name,
    reason: Reason,
    to: Annotated[int | None, typer.Option("--to", help="Version to go back to; last_known_good by default.")] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Withdraw the champion: the version before it, or --to, answers again for the months concerned."""
    from ml_platform.serving.decisions import roll_back
    from ml_platform.serving.declared import deployments_of

    with _places() as places:
        before = places.registry.champion(name)
        decided = roll_back(places, deployments_of(name), name, to=to, reason=reason, by=by)
        if not as_json:
            _tell_rollback(name, before, decided)
        _tell_months(name, decided, as_json)


def promote(name: Name, version: Version, reason: Reason, by: By = "", as_json: AsJson = False) -> None:
    """Promote a version by hand, also one that was rolled back; the gate must have approved it."""
    from ml_platform.serving.decisions import promote as promote_by_hand
    from ml_platform.serving.declared import deployments_of

    with _places() as places:
        decided = promote_by_hand(places, deployments_of(name), name, version, reason=reason, by=by)
        if not as_json:
            typer.echo(f"{name}: version {version} is promoted.")
        _tell_months(name, decided, as_json)


def approve(name: Name, version: Version, reason: Reason, by: By = "") -> None:
    """Say that a version may be promoted, where approval is required."""
    model = _registry().set_approval(name, version, is_approved=True, by=by or _user(), reason=reason)
    typer.echo(f"{name}: version {version} is approved by {model.approval_by}.")
    for asset in _champion_assets(name):
        typer.echo(f"To promote it, materialize {asset} for {model.as_of}.")


def reject(name: Name, version: Version, reason: Reason, by: By = "") -> None:
    """Say that a version may not be promoted; one that is promoted already is withdrawn by `rollback`."""
    model = _registry().set_approval(name, version, is_approved=False, by=by or _user(), reason=reason)
    typer.echo(f"{name}: version {version} is rejected by {model.approval_by}.")
    if model.is_promoted:
        typer.echo(f"It is still promoted: `ml-platform rollback {name} --reason ...` withdraws it.")


def trial(name: Name, as_json: AsJson = False) -> None:
    """How new versions do on requests, beside the champion or in its place, as the online service has found."""
    from ml_platform.serving.trials import reports
    from ml_platform.settings import Settings
    from ml_platform.storage.objects import ObjectStore

    settings = Settings()
    found = reports(ObjectStore(settings.artifact_uri, settings.fsspec_options(settings.artifact_uri)), name)
    if as_json:
        typer.echo(_as_json([each.model_dump(mode="json") | {"verdict": each.verdict} for each in found]))
        return
    if not found:
        typer.echo(f"No version of {name} has been tried on requests: `champion.trial` in defs.yaml asks for that.")
        return
    rows = [
        (
            *map(str, (each.version, each.champion, each.process, each.failures.seen, each.answered)),
            f"{each.evidence / each.evidence_needed:.3f}",
            each.verdict,
            each.reason,
        )
        for each in found
    ]
    head = ("version", "beside", "process", "compared", "answered", "evidence (1 refuses)", "verdict", "why")
    console().print(table("", head, rows))


_ALIASES = ("champion", "last_known_good", "challenger")


def _registry() -> "ModelRegistry":
    from ml_platform.settings import Settings
    from ml_platform.tracking.registry import ModelRegistry

    return ModelRegistry.from_settings(Settings())


@contextmanager
def _places() -> "Iterator[Places]":
    """Where a decision is carried out."""
    from ml_platform.execution.instance import open_instance
    from ml_platform.serving.decisions import Places
    from ml_platform.settings import Settings
    from ml_platform.storage.objects import ObjectStore

    settings = Settings()
    artifacts = ObjectStore(settings.artifact_uri, settings.fsspec_options(settings.artifact_uri))
    with open_instance() as instance:
        yield Places(_registry(), artifacts, instance)


def _user() -> str:
    return this_user()


def _champion_assets(name: str) -> list[str]:
    from ml_platform.serving.declared import deployments_of

    return [each.champion_asset for each in deployments_of(name)]


def _hint(registry: "ModelRegistry", name: str, at: datetime | None) -> str:
    events = registry.log(name)
    if at is not None and events and at < events[0].at:
        return (
            f"Its log begins {events[0].at:%Y-%m-%d %H:%M:%S} UTC. "
            f"For the version that predicts a day of the data, ask --day {at:%Y-%m-%d}."
        )
    return f"`ml-platform model show {name}` shows its versions."


def _tell_rollback(name: str, before: "RegisteredModel | None", decided: "Decided") -> None:
    now = decided.champion
    if now is None or before is None:
        return
    if decided.is_continued:
        typer.echo(f"{name}: an earlier rollback had not been completed; now it is. The champion is {now.version}.")
    elif before.version == now.version:
        typer.echo(f"{name}: version {now.version} is the champion already.")
    else:
        typer.echo(f"{name}: version {before.version} is withdrawn, version {now.version} (as of {now.as_of}) answers.")
        typer.echo(f"`ml-platform promote {name} {before.version} --reason ...` brings it back; nothing else does.")


def _tell_months(name: str, decided: "Decided", as_json: bool) -> None:
    from ml_platform.serving.declared import deployments_of

    if as_json:
        months = [each._asdict() for each in decided.months]
        champion = decided.champion.version if decided.champion else None
        typer.echo(_as_json({"model": name, "champion": champion, "months": months}))
        return
    for each in decided.months:
        typer.echo(f"{each.asset} {each.month}: version {each.before or 'none'} -> {each.after or 'none'}")
    if decided.months:
        stale = ", ".join(each.predictions_asset for each in deployments_of(name))
        typer.echo(f"Predictions of days from {decided.months[0].month} on are stale: materialize {stale} for them.")


def _standing(model: "RegisteredModel") -> str:
    return "promoted" if model.is_promoted else "rolled back" if model.rolled_back else "not promoted"


def _log_row(event: "RegistryEvent") -> tuple[str, ...]:
    what = event.action.replace("_", " ") + (f" to {event.instead}" if event.instead else "")
    at = f"{event.at:%Y-%m-%d %H:%M:%S}"
    return (str(event.sequence), at, str(event.version), what, event.by, event.reason)


def _as_json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)
