"""What is served here: lists of models, and the facts that clients of other servers ask for."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import rerankd
from rerankd.core.engine import Engine
from rerankd.core.errors import RerankdError
from rerankd.core.registry import ModelReport
from rerankd.http_api.json_text import Json
from rerankd.http_api.replies import json_response
from rerankd.messages.json_messages import object_from
from rerankd.messages.status import server_status

_OWNER = "rerankd"


class Listing:
    """The models that requests can name, and the state of the server."""

    def __init__(self, engine: Engine, offered: Sequence[str]) -> None:
        """`offered`: names of models that the operator configured, loaded or not."""
        self._engine = engine
        self._offered = ("", *offered)
        self._started = time.time()
        self._clock = time.monotonic()

    def names(self) -> list[str]:
        """Every name that a request can use, ids first."""
        reports = self._reports()
        ids = [report.id for report in reports]
        return list(dict.fromkeys([*ids, *(alias for report in reports for alias in report.aliases)]))

    def routes(self) -> list[Route]:
        """The routes of this module."""
        return [
            Route("/v1/models", self._models),
            Route("/models", self._models),
            Route("/info", self._info),
            Route("/api/v1/status", self._status),
        ]

    def _reports(self) -> list[ModelReport]:
        registry = self._engine.registry
        ids: dict[str, None] = {}
        for name in self._offered:
            try:
                ids[registry.canonical(name)] = None
            except RerankdError:
                continue
        ids.update({report.id: None for report in registry.reports()})
        return [registry.report(model_id) for model_id in ids]

    async def _models(self, _: Request) -> Response:
        models: list[Json] = []
        for report in self._reports():
            models += [self._model(name, report) for name in (report.id, *report.aliases)]
        return json_response({"object": "list", "data": models})

    def _model(self, name: str, report: ModelReport) -> Json:
        return {
            "id": name,
            "object": "model",
            "created": int(report.load_time or self._started),
            "owned_by": _OWNER,
            "root": report.id,
            "state": report.state.value,
        }

    async def _info(self, _: Request) -> Response:
        registry, limits = self._engine.registry, self._engine.limits
        try:
            report: ModelReport | None = registry.report(registry.canonical(""))
        except RerankdError:
            report = None
        loaded = report.description if report else None
        longest = loaded.max_tokens if loaded else 0
        return json_response(
            {
                "model_id": report.id if report else "",
                "model_sha": loaded.revision if loaded else None,
                "model_dtype": loaded.precision if loaded else "",
                "served_model_name": report.id if report else "",
                "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
                # Admission counts tokens: so many requests of one longest pair may wait.
                "max_concurrent_requests": max(1, limits.max_queued_tokens // (longest or 512)),
                "max_input_length": longest,
                "max_batch_tokens": loaded.batch_tokens if loaded else 0,
                "max_batch_requests": None,
                "max_client_batch_size": limits.max_documents,
                "auto_truncate": True,
                "tokenization_workers": min(4, os.cpu_count() or 1),
                "version": rerankd.__version__,
                "sha": None,
                "docker_label": None,
            }
        )

    async def _status(self, _: Request) -> Response:
        status = server_status(
            self._engine.registry,
            self._engine.limits,
            offered=self._offered,
            uptime_seconds=time.monotonic() - self._clock,
        )
        return json_response(object_from(status))
