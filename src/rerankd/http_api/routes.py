"""What HTTP answers: health for probes that know no gRPC, and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import rerankd
from rerankd.core.engine import Engine
from rerankd.telemetry.metrics import Metrics

ServingState = Literal["starting", "ready", "draining"]


def application(engine: Engine, state: Callable[[], ServingState]) -> Starlette:
    """The ASGI application; `state` tells whether the server takes traffic."""
    metrics = Metrics(engine)

    async def health(request: Request) -> Response:
        live = request.query_params.get("live") in ("1", "true")
        return _live() if live else _ready(engine, state())

    async def health_live(_: Request) -> Response:
        return _live()

    async def metrics_page(request: Request) -> Response:
        body, content_type = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/health/live", health_live),
            Route("/metrics", metrics_page),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _unexpected},
    )


def _live() -> Response:
    return JSONResponse({"state": "live", "version": rerankd.__version__})


def _ready(engine: Engine, state: ServingState) -> Response:
    models = {report.id: report.state.value for report in engine.registry.reports()}
    return JSONResponse({"state": state, "models": models}, status_code=200 if state == "ready" else 503)


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    reason = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(status, "INVALID_REQUEST")
    message = error.detail if isinstance(error, HTTPException) else ""
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"error": {"reason": reason, "message": message}}, status, headers)


async def _unexpected(_: Request, __: Exception) -> Response:
    # Starlette logs the cause after this answer is sent.
    return JSONResponse({"error": {"reason": "INTERNAL", "message": "an internal error"}}, 500)
