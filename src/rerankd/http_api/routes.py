"""The HTTP application: which path speaks what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rerankd.access.access import Access
from rerankd.core.engine import Engine
from rerankd.core.shown import ShownLog
from rerankd.http_api import probes
from rerankd.http_api.dialects.choice import UNDECIDED
from rerankd.http_api.dialects.cohere import COHERE
from rerankd.http_api.dialects.dialect import Dialect
from rerankd.http_api.dialects.jina import JINA
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.dialects.voyage import VOYAGE
from rerankd.http_api.door import Door
from rerankd.http_api.json_text import Json
from rerankd.http_api.listing import Listing
from rerankd.http_api.openapi.document import document
from rerankd.http_api.probes import ServingState
from rerankd.http_api.replies import json_response
from rerankd.http_api.reranking import BatchRoute, Ranker, RerankRoute
from rerankd.http_api.streaming import StreamRoute
from rerankd.http_api.under_way import CallsUnderWay
from rerankd.telemetry.metrics import Metrics
from rerankd.telemetry.tracing import NoTracing, Tracing

__all__ = ["RERANK_PATHS", "ServingState", "application"]

RERANK_PATHS: dict[str, Dialect] = {
    "/v2/rerank": COHERE,
    "/v1/rerank": JINA,
    "/rerank": UNDECIDED,
    # Where SageMaker and TEI's own users find a reranker.
    "/": UNDECIDED,
    "/invocations": UNDECIDED,
    "/voyage/v1/rerank": VOYAGE,
    "/api/v1/rerank": NATIVE,
}
"""Path to dialect, of the routes that rank one request."""

BATCH_PATH = "/api/v1/rerank/batch"
STREAM_PATH = "/api/v1/rerank/stream"


def application(
    engine: Engine,
    state: Callable[[], ServingState],
    *,
    accept_any_model: bool = False,
    offered: Sequence[str] = (),
    extra_routes: Sequence[BaseRoute] = (),
    extra_paths: Mapping[str, Json] | None = None,
    access: Access | None = None,
    body_timeout_seconds: float = 30.0,
    stream_idle_seconds: float = 0.0,
    shown: ShownLog | None = None,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> Door:
    """The ASGI application.

    Args:
        engine: Ranks. Its limits bound the size of a body.
        state: Tells whether the server takes traffic.
        accept_any_model: Whether a model that is not known here means the default one, on routes that
            speak another service's dialect.
        offered: Names of the models that the operator configured; lists of models show them always.
        extra_routes: Routes of other rooms.
        extra_paths: What the OpenAPI document says of them: path to path item.
        access: Decides who may call; None = everybody, except for changes.
        body_timeout_seconds: Longest time for a whole body.
        stream_idle_seconds: Longest pause of a caller within a stream; 0 = as long as they like.
        shown: Keeps rankings as shown, for calls that name a corpus; None = nobody learns here.
        metrics: What /metrics shows; None = metrics of this door and its engine.
        tracing: Traces the calls; None = nobody does.
    """
    under_way, metrics = CallsUnderWay(), metrics or Metrics(engine)
    listing = Listing(engine, offered)
    ranker = Ranker(
        engine=engine,
        calls=under_way,
        names=listing.names,
        accept_any_model=accept_any_model,
        max_body_bytes=engine.limits.max_receive_bytes,
        body_timeout_seconds=body_timeout_seconds,
        stream_idle_seconds=stream_idle_seconds,
        shown=shown,
    )
    routes: list[BaseRoute] = [
        *_rank_routes(ranker),
        *probes.routes(engine, state, metrics),
        *listing.routes(),
        _description(document(engine.limits, extra_paths)),
        *extra_routes,
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    return Door(app, under_way, access, RERANK_PATHS, tracing=tracing or NoTracing(), counts=metrics.http)


def _rank_routes(ranker: Ranker) -> list[BaseRoute]:
    return [
        *(
            Route(path, RerankRoute(ranker, dialect), methods=["POST"])
            for path, dialect in RERANK_PATHS.items()
        ),
        Route(BATCH_PATH, BatchRoute(ranker), methods=["POST"]),
        Route(STREAM_PATH, StreamRoute(ranker), methods=["POST"]),
    ]


def _description(described: Json) -> Route:
    async def openapi(_: Request) -> Response:
        return json_response(described)

    return Route("/openapi.json", openapi)


_UNROUTED = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = error.detail if isinstance(error, HTTPException) else ""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    # Starlette names the methods of the first route with this path, and `/` has two.
    if allowed := _methods_of(request) if status == 405 else set():
        headers = {"allow": ", ".join(sorted(allowed))}
    body: Json = {
        "code": status,
        "status": "NOT_FOUND" if status == 404 else "UNIMPLEMENTED",
        "reason": _UNROUTED.get(status, "INVALID_REQUEST"),
        "message": message,
        "details": [],
    }
    return json_response({"error": body}, status, headers)


def _methods_of(request: Request) -> set[str]:
    routes: list[BaseRoute] = request.app.routes
    same = (route for route in routes if isinstance(route, Route) and route.path == request.url.path)
    return {method for route in same for method in route.methods or ()}
