"""The HTTP application: paths to the service's answers, and errors without what is inside.

Belongs here: paths, status codes and the page of the API. Does not: what holds for all requests alike (`guard`), or any
answer (`service`).
"""

import importlib.metadata
import inspect
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pydantic_core
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware

from ml_platform.errors import (
    NoModelAnswersError,
    NotReadyError,
    PlatformError,
    RequestRefusedError,
    ServingError,
)
from ml_platform.online import answers, protocol
from ml_platform.online.guard import App, Guard, Receive, Scope, Send
from ml_platform.online.metrics import Metrics
from ml_platform.online.served import ServedLog
from ml_platform.online.service import OnlineService, Predicted, freshness
from ml_platform.online.together import Asked, Together
from ml_platform.online.work import BusyError, TooLongError, Workers
from ml_platform.serving.trials import TrialReport
from ml_platform.settings import Settings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_STATUS: dict[type[Exception], tuple[int, str, dict[str, str]]] = {
    BusyError: (429, "busy", {"retry-after": "1"}),
    TooLongError: (504, "too_slow", {}),
    NotReadyError: (503, "not_ready", {"retry-after": "5"}),
    NoModelAnswersError: (503, "no_model_answers", {"retry-after": "30"}),
}
_REFUSALS = {"invalid": 422, "too_large": 413, "out_of_reach": 422}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": answers.ErrorResponse, "description": told}
    for status, told in {
        401: "No valid token.",
        408: "The request did not arrive in time.",
        413: "Too many rows or bytes.",
        422: "Fields that are missing, unknown or wrong, or days out of reach.",
        429: "Too many requests wait; Retry-After says when to come again.",
        503: "No champion or history yet.",
        504: "Not answered in time.",
    }.items()
}


@dataclass
class Parts:
    """What the application is made of."""

    service: OnlineService
    metrics: Metrics
    workers: Workers
    served: ServedLog


def build_app(parts: Parts, settings: Settings, lifespan: Lifespan | None = None) -> App:
    """The application behind its guard."""
    model = parts.service.follower.model
    api = FastAPI(
        title=f"{model.name}: predictions on request",
        description=f"{model.features.__doc__}",
        version=importlib.metadata.version("ml-platform"),
        lifespan=lifespan or _nothing_to_do,
        redoc_url=None,
        redirect_slashes=False,  # where it would lead to is not known behind a proxy
    )
    _add_answers(api, parts)
    _add_protocol(api, parts)
    _add_state(api, parts)
    api.add_exception_handler(ServingError, _refused)
    api.add_exception_handler(Exception, _failed)
    straight = ExceptionMiddleware(Straight(api), handlers={ServingError: _refused})
    return Guard(
        ServerErrorMiddleware(straight, handler=_failed),
        parts.metrics,
        settings.serve_token,
        settings.serve_most_body_bytes,
        settings.serve_timeout_seconds,
    )


class Straight:
    """The application, of which endpoints that take a request and give a response are called without layers in between.

    These parse what an endpoint declares, of which there is nothing, and take as long as a model takes for a row.
    """

    def __init__(self, api: FastAPI) -> None:
        """Find those endpoints of `api`."""
        self._api = api
        routes = [each for each in api.routes if isinstance(each, APIRoute) and _is_straight(each.endpoint)]
        self._endpoints = {(method, each.path): each.endpoint for each in routes for method in each.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        endpoint = self._endpoints.get((scope.get("method", ""), scope.get("path", "")))
        if endpoint is None:
            await self._api(scope, receive, send)
        else:
            response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)


def _is_straight(endpoint: Callable[..., Any]) -> bool:
    signature = inspect.signature(endpoint)
    taken = [each.annotation for each in signature.parameters.values()]
    return inspect.iscoroutinefunction(endpoint) and taken == [Request] and signature.return_annotation is Response


@asynccontextmanager
async def _nothing_to_do(_: FastAPI) -> AsyncIterator[None]:
    yield


def _add_answers(api: FastAPI, parts: Parts) -> None:
    schema = parts.service.requests.json_schema()
    together = Together(parts.workers, partial(_answers, parts))
    content = {"requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(schema)}}}}

    @api.post(
        "/predict",
        response_model=None,
        responses={200: {"model": answers.PredictionResponse}, **_ERRORS},
        openapi_extra=content,
        summary="Predict for one row or many",
    )
    async def predict(request: Request) -> Response:
        return await together.answer(Asked(await request.body(), request.scope.get("request_id", "")))


def _answers(parts: Parts, asked: Sequence[Asked]) -> list[Response | ServingError]:
    told = parts.service.predict_all([each.body for each in asked])
    return [
        each if isinstance(each, ServingError) else _answered(parts, each, request_id)
        for (_, request_id), each in zip(asked, told, strict=True)
    ]


def _answered(parts: Parts, predicted: Predicted, request_id: str) -> Response:
    """The response, counted and kept for the log of what was served."""
    for rung, rows in Counter(predicted.columns["model_rung"]).items():
        parts.metrics.rows.labels(rung).inc(rows)
    parts.metrics.degraded_rows.inc(predicted.degraded_rows)
    parts.served.add(predicted, request_id)
    content = {
        "predictions": predicted.dicts(),
        "degraded_rows": predicted.degraded_rows,
        "reasons": predicted.reasons,
        "freshness": freshness(predicted.answering),
        "request_id": request_id,
    }
    return Response(pydantic_core.to_json(content), media_type="application/json")


def _add_state(api: FastAPI, parts: Parts) -> None:
    service = parts.service

    @api.get("/health", summary="Whether the process lives")
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @api.get("/ready", response_model=answers.Ready, responses={503: {"model": answers.Ready}})
    async def ready(response: Response) -> answers.Ready:
        lacks = service.lacks
        response.status_code = 503 if lacks else 200
        return answers.Ready(is_ready=not lacks, lacks=lacks)

    @api.get("/model", response_model=answers.Model, responses={401: _ERRORS[401]}, summary="What answers now")
    async def model() -> answers.Model:
        return _model(service)

    @api.get("/metrics", response_class=Response, responses={401: _ERRORS[401]}, summary="Metrics for Prometheus")
    async def metrics() -> Response:
        return Response(parts.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _model(service: OnlineService) -> answers.Model:
    now = service.follower.now
    months = [
        answers.Answers(
            as_of=each.as_of,
            version=each.champion.version,
            sha256=each.champion.sha256,
            rungs=[str(rung) for rung in each.rungs],
            failures=list(each.failures),
        )
        for each in now.champions.months
    ]
    return answers.Model(
        name=service.follower.model.name,
        months=months,
        trial=_tried(now.trial.report) if now.trial else None,
        first_day=now.history.first_day if now.history else None,
        freshness=answers.Freshness.model_validate(freshness(now)),
    )


def _tried(report: TrialReport) -> answers.Tried:
    return answers.Tried(
        version=report.version,
        share=report.limits.share,
        requests=report.failures.seen,
        verdict=report.verdict,
        reason=report.reason,
    )


def _add_protocol(api: FastAPI, parts: Parts) -> None:
    service = parts.service

    @api.get("/ping", response_class=Response, responses={503: {"description": "Not ready."}}, summary="MLflow's ping")
    async def ping() -> Response:
        return Response("\n", status_code=503 if service.lacks else 200, media_type="text/plain")

    @api.get("/version", response_class=Response, responses={401: _ERRORS[401]}, summary="Version of MLflow's protocol")
    async def version() -> Response:
        return Response(importlib.metadata.version("mlflow"), media_type="text/plain")

    refused = {**_ERRORS, 400: _ERRORS[422], 415: {"description": "Neither JSON nor CSV."}}
    form = {"type": "object", "properties": {each: {} for each in protocol.FORMS}}
    content = {"application/json": {"schema": form}, "text/csv": {"schema": {"type": "string"}}}

    @api.post(
        "/invocations",
        response_class=Response,
        responses=refused,
        openapi_extra={"requestBody": {"required": True, "content": content}},
        summary="Score rows of features, by MLflow's protocol",
    )
    async def invocations(request: Request) -> Response:
        media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type not in protocol.media_types():
            return _error(415, "media_type", f"The body is {' or '.join(protocol.media_types())}.")
        body = await request.body()
        do = parts.workers.at_once if service.is_quick(body) else parts.workers.do
        return await do(partial(_scored, service, body, media_type))


def _scored(service: OnlineService, body: bytes, media_type: str) -> Response:
    newest = service.follower.now.champions.newest
    if newest is None or not newest.rungs:
        raise NotReadyError(f"The service of {service.follower.model.name} lacks {' and '.join(service.lacks)}")
    features = protocol.features_of(body, media_type, service.types_of(newest.rungs[0]), service.most_rows)
    scored = service.score(features, body)
    headers = protocol.shown(scored.answer.by.version) | {"x-model-rung": scored.answer.by.rung}
    content = pydantic_core.to_json({"predictions": scored.answer.probability.tolist()})
    return Response(content, media_type="application/json", headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestRefusedError):
        told = answers.ErrorBody(
            code=error.code,
            message=str(error),
            problems=[answers.ProblemResponse(**each._asdict()) for each in error.problems],
        )
        is_protocol = request.url.path == "/invocations" and error.code == "invalid"
        status = 400 if is_protocol else _REFUSALS[error.code]
        return Response(
            answers.ErrorResponse(error=told).model_dump_json(), status_code=status, media_type="application/json"
        )
    status, code, headers = _STATUS.get(type(error), (500, "failed", {}))
    message = error.what if isinstance(error, PlatformError) else "failed"
    return _error(status, code, f"{message}.", headers)


async def _failed(request: Request, error: Exception) -> Response:
    """What nobody foresaw: its traceback goes to the log of the process, and nothing of it outside."""
    return _error(500, "failed", "The request could not be answered; the log has why, under the request's id.")


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps({"error": {"code": code, "message": message, "problems": []}})
    return Response(content, status_code=status, media_type="application/json", headers=headers)


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without references, which OpenAPI would look for elsewhere."""
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(definitions[node["$ref"].rpartition("/")[2]])
        return {name: resolved(value) for name, value in node.items()}

    inlined: dict[str, Any] = resolved(schema)
    return inlined
