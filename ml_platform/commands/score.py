"""`ml-platform score`: the ML Test Score of a registered version.

Belongs here: options. Does not: the score (`provenance.score_rubric`), or how it looks (`provenance.score_text`).
"""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    name: Annotated[str, typer.Argument(help="Registered model, as `ml-platform model list` shows it.")],
    version: Annotated[int | None, typer.Argument(help="Number of the version; the champion by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """The ML Test Score: 28 tests of production readiness, by evidence that is there, with what is missing."""

    from ml_platform.execution.instance import open_instance
    from ml_platform.provenance.evidence import Evidence
    from ml_platform.provenance.score_facts import Stores
    from ml_platform.provenance.score_rubric import score_version
    from ml_platform.provenance.score_text import told
    from ml_platform.settings import Settings

    settings = Settings()
    with open_instance() as instance:
        evidence = Evidence.of(settings, instance)
        if version is None:
            version = evidence.tracking.registry.require_champion(name).version
        found = score_version(Stores(settings, evidence), name, version)
    typer.echo(found.model_dump_json(indent=2) if as_json else "\n".join(told(found)))
