"""`ml-platform alerts ...`: what is wrong now, who is told, and trying it out.

Belongs here: options and output. Does not: what is told when (`recovery.alerts`).
"""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.terminal import console, table

if TYPE_CHECKING:
    from ml_platform.recovery.alerts.center import AlertCenter, OpenAlert
    from ml_platform.recovery.alerts.delivery import Standing

AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]

app = typer.Typer(help="What is wrong now, and who is told of it.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add `alerts ...` to the command."""
    root.add_typer(app, name="alerts")


@app.command("list")
def list_alerts(as_json: AsJson = False) -> None:
    """Open alerts, the worst first, and how things stand with each receiver."""
    center = _center()
    found, standing = center.open(), center.outbox.standing()
    if as_json:
        told = {"alerts": [_data(each) for each in found], "receivers": [_standing_data(each) for each in standing]}
        typer.echo(json.dumps(told, indent=2, default=str))
        return
    _show_open(center, found, standing)
    _show_receivers(standing)


@app.command("test")
def send_test(
    receiver: Annotated[list[str] | None, typer.Option(help="Only this receiver; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message to each receiver that is set up, and say what the others lack.

    The message goes at once, past whatever waits in the outbox. The exit code is 1 unless one receiver took it.
    """
    tried = _center().test(receiver or None)
    if as_json:
        typer.echo(json.dumps([each._asdict() for each in tried], indent=2))
    else:
        for each in tried:
            typer.echo(f"{each.receiver} ({each.type}): {each.outcome}")
        if not tried:
            typer.echo("No receiver is declared in the file of routes, ml_platform/use_cases/alerts.yaml unless set.")
    raise typer.Exit(0 if any(each.is_taken for each in tried) else 1)


@app.command()
def deliver(
    parked: Annotated[bool, typer.Option("--parked", help="Also send again what was refused.")] = False,
    drop_parked: Annotated[bool, typer.Option("--drop-parked", help="Give up what was refused.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send what is waiting now, without the pauses after failures; exit code 1 if something still waits."""
    center = _center()
    dropped = center.outbox.drop_parked() if drop_parked else 0
    center.outbox.try_again(parked=parked)
    done = center.deliver(for_seconds=120.0)
    if as_json:
        refused = [each._asdict() for each in done.parked]
        typer.echo(json.dumps({"sent": done.sent, "waiting": done.waiting, "refused": refused, "dropped": dropped}))
    else:
        typer.echo(f"{done.sent} messages sent, {done.waiting} wait, {len(done.parked)} refused, {dropped} given up")
        for standing in center.outbox.standing():
            if standing.waiting and not standing.missing:
                typer.echo(f"{standing.receiver} ({standing.type}): {standing.last_error or 'its turn did not come'}")
        for each in done.parked:
            typer.echo(f"{each.receiver} refused '{each.title}': {each.reason}")
    raise typer.Exit(1 if done.waiting or done.parked else 0)


@app.command()
def resolve(
    fingerprint: Annotated[str, typer.Argument(help="The alert's fingerprint, or its first characters.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is over; told to whom the alert was told.")],
) -> None:
    """End an alert by hand. It comes back if what it tells of is found again."""
    from ml_platform.errors import AlertNotFoundError
    from ml_platform.this_user import this_user

    center = _center()
    found = [each for each in center.open() if each.fingerprint.startswith(fingerprint)]
    if len(found) != 1:
        raise AlertNotFoundError(
            f"{len(found) or 'No'} open alerts have a fingerprint that starts with '{fingerprint}'.",
            expected=f"one of {', '.join(each.fingerprint for each in center.open()) or 'none: no alert is open'}",
        )
    center.resolve(found[0].fingerprint, f"Ended by {this_user()}: {reason}")
    center.deliver()
    typer.echo(f"Ended: {_title(found[0])}")


def _center() -> "AlertCenter":
    from ml_platform.recovery.alerts.center import AlertCenter
    from ml_platform.settings import Settings

    return AlertCenter(Settings())


def _show_open(center: "AlertCenter", found: "list[OpenAlert]", standing: "list[Standing]") -> None:
    if not found:
        typer.echo("No alert is open.")
        return
    ready = {each.receiver for each in standing if not each.missing}

    def told_to(each: "OpenAlert") -> str:
        route = center.routes.route(each.route)
        return ", ".join(name for name in route.receivers if name in ready) or "nobody" if route else "nobody"

    rows = [
        (
            each.fingerprint[:8],
            each.alert.severity,
            _title(each),
            f"{each.times:,}",
            f"{each.alert.partitions:,}" if each.alert.partitions else "-",
            _ago(each.alert.since),
            told_to(each),
        )
        for each in found
    ]
    columns = ("alert", "severity", "what", "times", "partitions", "for", "told to")
    console().print(table("Open alerts", columns, rows, wide=2))


def _show_receivers(standing: "list[Standing]") -> None:
    if standing and all(each.missing for each in standing):
        typer.echo("Nobody is told: no receiver is set up. `ml-platform alerts test` says what to set.")
    rows = [(each.receiver, each.type, str(each.waiting), str(each.parked), _state(each)) for each in standing]
    shown = [row for row, each in zip(rows, standing, strict=True) if not each.missing or each.waiting or each.parked]
    if shown:
        console().print(table("Receivers", ("receiver", "type", "waiting", "refused", "state"), shown))


def _state(standing: "Standing") -> str:
    if standing.missing:
        return f"not set up: {', '.join(standing.missing)} has no value"
    if standing.not_before:
        return f"{standing.last_error}; failure {standing.failures}, next try {standing.not_before:%H:%M:%S} UTC"
    return "ready" if standing.type != "no longer declared" else "messages for it will not be sent"


def _title(each: "OpenAlert") -> str:
    from ml_platform.recovery.alerts.message import title

    return title(each.alert)


def _ago(since: datetime) -> str:
    from ml_platform.recovery.alerts.message import duration

    return duration((datetime.now(UTC) - since).total_seconds())


def _data(each: "OpenAlert") -> dict[str, object]:
    return {
        "fingerprint": each.fingerprint,
        **each.alert.model_dump(mode="json"),
        "times": each.times,
        "opened_at": each.opened_at.isoformat(),
        "last_at": each.last_at.isoformat(),
        "route": each.route,
        "affected": [one._asdict() for one in each.affected],
    }


def _standing_data(each: "Standing") -> dict[str, object]:
    return each._asdict()
