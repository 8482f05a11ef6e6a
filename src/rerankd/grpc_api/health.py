"""`grpc.health.v1`: the process, the service, and each model under a name of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rerankd.core.registry import Registry
from rerankd.core.types import ModelState

PROCESS = ""
SERVICE = "rerankd.v1.RerankService"
MODEL_PREFIX = "rerankd.model/"

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class HealthService(health_pb2_grpc.HealthServicer):
    """Health by name; a name that was never set is unknown.

    Unlike the servicer of grpcio-health-checking, `set` needs no task to run in and a watcher that
    does not read cannot hold up the others.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {PROCESS: SERVING}
        self._changed = asyncio.Event()
        self._draining = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serves health on a server that has not started yet."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def set(self, name: str, *, serving: bool) -> None:
        """Sets a name's health; ignored once the server drains."""
        if not self._draining:
            self._statuses[name] = SERVING if serving else NOT_SERVING
            self._tell_watchers()

    def drain(self) -> None:
        """Every name becomes NOT_SERVING, for good."""
        self._draining = True
        self._statuses = dict.fromkeys(self._statuses, NOT_SERVING)
        self._tell_watchers()

    def follow(self, registry: Registry) -> None:
        """Keeps a name for each model and each of its aliases from now on."""
        registry.on_change(lambda model_id, state: self.set_model(registry, model_id, state))

    def set_model(self, registry: Registry, model_id: str, state: ModelState) -> None:
        """Sets the health of a model under its id and its aliases."""
        for name in (model_id, *registry.report(model_id).aliases):
            self.set(f"{MODEL_PREFIX}{name}", serving=state is ModelState.ACTIVE)

    async def Check(  # noqa: N802 - the contract's name
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> health_pb2.HealthCheckResponse:
        """The health of a name now; NOT_FOUND for one that is unknown."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such health name")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802 - the contract's name
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The health of a name now and at each change; SERVICE_UNKNOWN while it is unknown."""
        last: int | None = None
        while True:
            # Taken before the status is read: a change in between sets this very event.
            changed = self._changed
            status = self._statuses.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
                last = status
            await changed.wait()

    def _tell_watchers(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
