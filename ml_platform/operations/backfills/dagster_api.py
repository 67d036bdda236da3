"""Dagster's GraphQL: asked of the webserver that `make dev` starts, or of code locations loaded into this process.

Belongs here: asking, and what no answer means. Does not: what is asked.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import dagster as dg
import requests

from ml_platform.errors import RunRequestError, WebserverUnreachableError
from ml_platform.execution.launch import CodeLocation
from ml_platform.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from dagster._core.workspace.context import WorkspaceProcessContext

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 120.0
"""A webserver of this machine takes a connection at once; it may be loading locations when it is asked."""
HERE = (
    "Start it with `make dev` (ML_PLATFORM_DAGSTER_URL says where it answers), or add --here to do it in this process."
)


class DagsterApi(Protocol):
    """Whoever answers GraphQL."""

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer's data.

        Raises:
            WebserverUnreachableError: nobody answers.
            RunRequestError: Dagster refuses.
        """


class Webserver:
    """Asked over HTTP: what it has loaded is there at once."""

    def __init__(self, url: str) -> None:
        """The webserver at `url`, without a path."""
        self.url = url.rstrip("/")

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer's data.

        Raises:
            WebserverUnreachableError: nobody answers there, or something that is no Dagster.
            RunRequestError: Dagster refuses.
        """
        asked: dict[str, Any] = {"query": query, "variables": variables}
        try:
            answer = requests.post(f"{self.url}/graphql", json=asked, timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
            told = answer.json()
        except (requests.ConnectionError, requests.Timeout) as error:
            raise self._unreachable("no Dagster webserver answers") from error
        except requests.JSONDecodeError as error:
            raise self._unreachable("something answers that is no Dagster webserver") from error
        return _data(told.get("data"), [each["message"] for each in told.get("errors", ())])

    def _unreachable(self, what: str) -> WebserverUnreachableError:
        return WebserverUnreachableError(f"At {self.url} {what}.", kept="Nothing was started.", remedy=HERE)


class InProcess:
    """Asked in this process, which has loaded the locations; `graph` is what they define."""

    def __init__(self, context: Any) -> None:
        """By Dagster's own view of a workspace."""
        from dagster_graphql.schema import create_schema

        self._context, self._schema = context, create_schema()

    @property
    def graph(self) -> Any:
        """Dagster's graph of all assets."""
        return self._context.asset_graph

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer's data.

        Raises:
            RunRequestError: Dagster refuses.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Dagster's use of what it will take away itself
            told = self._schema.execute(query, context_value=self._context, variable_values=variables)
        return _data(told.data, [each.message for each in told.errors or ()])


class Here(NamedTuple):
    """Code locations in this process."""

    instance: dg.DagsterInstance
    locations: Sequence[CodeLocation]

    @contextmanager
    def api(self) -> Iterator[InProcess]:
        """Their GraphQL; loading them takes seconds."""
        with workspace_of(self.instance, self.locations) as workspace:
            yield InProcess(workspace.create_request_context())


def workspace_of(instance: dg.DagsterInstance, locations: Sequence[CodeLocation]) -> "WorkspaceProcessContext":
    """Dagster's view of the locations, loaded into this process."""
    from dagster._core.workspace.context import WorkspaceProcessContext

    return WorkspaceProcessContext(instance, _target(locations))


def _target(locations: Sequence[CodeLocation]) -> Any:
    from dagster._core.remote_origin import InProcessCodeLocationOrigin
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    from dagster._core.workspace.load_target import WorkspaceLoadTarget

    class Locations(WorkspaceLoadTarget):
        def create_origins(self) -> list[InProcessCodeLocationOrigin]:
            folder = str(PROJECT_ROOT)
            return [
                InProcessCodeLocationOrigin(
                    LoadableTargetOrigin(module_name=each.module, attribute=each.attribute, working_directory=folder),
                    location_name=each.name,
                )
                for each in locations
            ]

    return Locations()


def _data(data: dict[str, Any] | None, errors: Sequence[str]) -> dict[str, Any]:
    """The data, in which no answer is an error of Dagster's."""
    refused = [*errors, *(each["message"] for each in (data or {}).values() if _is_refusal(each))]
    if refused or data is None:
        raise RunRequestError(f"Dagster refuses: {'; '.join(refused)}", kept="Nothing was started.")
    return data


def _is_refusal(answer: Any) -> bool:
    return isinstance(answer, dict) and "message" in answer
