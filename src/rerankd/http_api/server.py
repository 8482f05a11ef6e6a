"""Uvicorn as a guest on the event loop of the server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from rerankd.access.certificates import Certificates
from rerankd.http_api.connections import Patience, PatientConfig, PatientProtocol
from rerankd.http_api.door import Door

_CLOSE_SECONDS = 2
_KEEP_ALIVE_SECONDS = 75
"""How long a connection may be idle: longer than the pools of the usual clients keep theirs, so that it is
not closed under a request."""


class HttpServer:
    """The HTTP door of one process: `start`, `finish`, then `stop`."""

    def __init__(
        self,
        app: Door,
        host: str,
        port: int,
        *,
        certificates: Certificates | None = None,
        max_connections: int = 0,
        patience: Patience | None = None,
    ) -> None:
        """Listens at once, so that a port in use is known before anything is loaded.

        Args:
            app: What is served.
            host: Address to listen on.
            port: 0 = any that is free.
            certificates: What TLS shows; None = plain text.
            max_connections: More are answered with 503; 0 = as many as the system allows.
            patience: How long a connection may take; None = the defaults.

        Raises:
            OSError: The address is taken or is not one of this machine.
        """
        self._calls = app.calls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=128)
        # Accepted connections inherit it. Without it the two writes of an answer wait for each other.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        config = PatientConfig(
            app,
            # Named, because uvicorn prefers one that bounds no headers where it happens to be installed.
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
            limit_concurrency=max_connections or None,
        )
        config.patience = patience or Patience()
        config.load()
        config.ssl = certificates.context() if certificates is not None else None
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Answers requests from now on."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        started = asyncio.create_task(self._server.ready.wait())
        try:
            await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if self._task.done():
            await self._task

    @property
    def calls_under_way(self) -> int:
        """Accepted calls that rank and have not ended."""
        return len(self._calls)

    async def finish(self, grace_seconds: float) -> None:
        """Refuses new calls that rank with DRAINING, and returns when none is under way.

        What outlives the grace fails with DRAINING. Health and metrics are served until `stop`.
        """
        await self._calls.finish(grace_seconds)

    async def stop(self) -> None:
        """Closes the listener; requests under way get a moment to end."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is a guest of."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Installs no handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and says so."""
        await super().startup(sockets)
        self.ready.set()
