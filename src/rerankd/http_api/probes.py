"""Pages for probes and scrapers: health and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import rerankd
from rerankd.core.engine import Engine
from rerankd.http_api.json_text import Json
from rerankd.http_api.replies import json_response
from rerankd.telemetry.metrics import Metrics

ServingState = Literal["starting", "ready", "draining"]


def routes(engine: Engine, state: Callable[[], ServingState], metrics: Metrics) -> list[Route]:
    """The routes of this module; `state` tells whether the server takes traffic."""

    async def health(request: Request) -> Response:
        live = request.query_params.get("live") in ("1", "true")
        return _live() if live else _ready(engine, state())

    async def health_live(_: Request) -> Response:
        return _live()

    async def ping(_: Request) -> Response:
        return _ready(engine, state())

    async def metrics_page(request: Request) -> Response:
        body, content_type = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return [
        Route("/health", health),
        Route("/health/live", health_live),
        Route("/ping", ping),
        Route("/metrics", metrics_page),
    ]


def _live() -> Response:
    return json_response({"state": "live", "version": rerankd.__version__})


def _ready(engine: Engine, state: ServingState) -> Response:
    models: Json = {report.id: report.state.value for report in engine.registry.reports()}
    if state == "ready":
        return json_response({"state": state, "models": models})
    # The last two are where probes made for TEI look.
    failure: Json = {"state": state, "models": models, "error": "unhealthy", "error_type": "Unhealthy"}
    return json_response(failure, 503, {"retry-after": "1", "retry-after-ms": "1000"})
