"""The gRPC listener: its options, its services, and how it goes down without losing a call."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
import grpc.aio

from rerankd.access.access import Access
from rerankd.access.certificates import Certificates
from rerankd.grpc_api.credentials import server_credentials
from rerankd.grpc_api.health import HealthService
from rerankd.grpc_api.interceptors import Draining, chain
from rerankd.grpc_api.methods import CODES, METHODS
from rerankd.grpc_api.reflection import add_reflection
from rerankd.telemetry.call_metrics import GrpcCalls
from rerankd.telemetry.tracing import Tracing
from rerankd.v1.config_service_pb2_grpc import ConfigServiceServicer, add_ConfigServiceServicer_to_server
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceServicer, add_RerankServiceServicer_to_server

_MAX_PINGS = 2**31 - 1
_HANDSHAKE_MS = 20_000
_ARRIVE_SECONDS = 0.05
"""Time for calls that are on the wire to arrive here, and for GOAWAY to arrive there."""
_LONGEST_HOLD_SECONDS = 0.5
"""Callers who send without waiting for answers never leave a pause."""
_STOP_SECONDS = 1.0
"""Time for answers that are already on their way when the listener closes."""


Extension = Callable[[grpc.aio.Server], Sequence[str]]
"""Adds services to a server, and gives their full names for reflection."""


class ListenError(Exception):
    """An address cannot be listened on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcSettings:
    """Where and how the gRPC door listens."""

    host: str
    port: int
    max_receive_bytes: int
    reflection: bool = True
    max_connection_age_seconds: float = 1800.0
    """0 = connections live as long as their clients want."""
    max_connection_age_grace_seconds: float = 120.0
    """0 = calls of an old connection take as long as they take."""
    min_client_ping_seconds: float = 30.0
    max_connection_idle_seconds: float = 600.0
    """0 = connections without calls live as long as their clients want."""
    max_connections: int = 10_000
    """0 = as many as the system allows."""


class GrpcServer:
    """The gRPC door of one process.

    Life: `start`, then `go_away` and `finish` while going down, `stop` at the end.
    """

    def __init__(
        self,
        settings: GrpcSettings,
        service: RerankServiceServicer,
        configuration: ConfigServiceServicer,
        health: HealthService,
        access: Access,
        certificates: Certificates | None = None,
        extensions: Sequence[Extension] = (),
        *,
        tracing: Tracing,
        counts: GrpcCalls,
    ) -> None:
        """`certificates`: None = plain text; `extensions` add services of other rooms."""
        self.port = 0
        self.probe_address = f"unix-abstract:rerankd-{secrets.token_hex(16)}" if certificates else ""
        """Where the warm-up probe calls; empty = the port that everybody calls."""
        self._settings = settings
        self._service = service
        self._configuration = configuration
        self._health = health
        self._access = access
        self._certificates = certificates
        self._extensions = extensions
        self._draining = Draining()
        counts.prepare(METHODS, CODES)
        self._interceptors = chain(self._draining, access, tracing=tracing, counts=counts)
        self._server: grpc.aio.Server | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def calls_under_way(self) -> int:
        """Accepted calls that have not ended, health and reflection left out."""
        return self._draining.calls_under_way

    async def start(self) -> None:
        """Listens; health has to be right before, because the first probe may come at once.

        Raises:
            ListenError: The address is taken or is not one of this machine.
        """
        server = grpc.aio.server(interceptors=self._interceptors, options=channel_options(self._settings))
        add_RerankServiceServicer_to_server(self._service, server)
        add_ConfigServiceServicer_to_server(self._configuration, server)
        self._health.add_to(server)
        names = [name for extend in self._extensions for name in extend(server)]
        if self._settings.reflection:
            add_reflection(server, names)
        address = f"{bracketed(self._settings.host)}:{self._settings.port}"
        try:
            self.port = self._listen(server, address)
        except RuntimeError as error:
            raise ListenError(
                f"cannot listen on {address}: it is in use, or no address of this machine"
            ) from error
        self._server = server
        await server.start()

    def _listen(self, server: grpc.aio.Server, address: str) -> int:
        if self._certificates is None:
            return server.add_insecure_port(address)
        # The probe has no certificate that another authority vouches for, and the name in the server's own
        # is not that of the loopback. Its token opens this socket, and nothing else does.
        server.add_insecure_port(self.probe_address)
        return server.add_secure_port(address, server_credentials(self._certificates))

    async def go_away(self, grace_seconds: float) -> None:
        """Takes no new calls from now on and tells every connection so; calls under way go on.

        A connection that is told to go away sends its next calls to another server, while one that is only
        refused comes back, and each refusal costs a caller one of its retries. A call that reaches a
        stopping server is cancelled by gRPC's core, which only our own clients retry: so calls that arrive
        and answers that are ready are held until the connections have been told, which leaves callers
        nothing to send, and then go on.
        """
        if self._server is None or self._stopping is not None:
            return
        self._draining.hold()
        await self._draining.quiet(_ARRIVE_SECONDS, longest_seconds=_LONGEST_HOLD_SECONDS)
        # Calls are ended by `finish`, with a reason; the core's own grace is only a net below it.
        grace = grace_seconds + _STOP_SECONDS
        self._stopping = asyncio.create_task(self._server.stop(grace), name="stop-grpc")
        await asyncio.sleep(_ARRIVE_SECONDS)
        self._draining.release()

    async def finish(self, grace_seconds: float) -> None:
        """Waits for the calls under way; after the grace those left fail with DRAINING."""
        await self._draining.finish(grace_seconds)

    async def stop(self) -> None:
        """Closes all connections; to be called once no call is under way."""
        if self._server is None:
            return
        await self._server.stop(_STOP_SECONDS)
        if self._stopping is not None:
            await self._stopping


def channel_options(settings: GrpcSettings) -> Sequence[tuple[str, int]]:
    """The options of the gRPC core, each with its reason."""
    options = [
        ("grpc.max_receive_message_length", settings.max_receive_bytes),
        # A summary of a long stream is as large as its caller asked for.
        ("grpc.max_send_message_length", -1),
        # By default whoever connects and says nothing holds a connection for two minutes.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        # By default two servers may share a port, and each would get some of the connections.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        (
            "grpc.http2.min_recv_ping_interval_without_data_ms",
            _milliseconds(settings.min_client_ping_seconds),
        ),
    ]
    if settings.max_connection_idle_seconds:
        options.append(("grpc.max_connection_idle_ms", _milliseconds(settings.max_connection_idle_seconds)))
    if settings.max_connections:
        options.append(("grpc.max_allowed_incoming_connections", settings.max_connections))
    if settings.max_connection_age_seconds:
        options.append(("grpc.max_connection_age_ms", _milliseconds(settings.max_connection_age_seconds)))
        if settings.max_connection_age_grace_seconds:
            grace = _milliseconds(settings.max_connection_age_grace_seconds)
            options.append(("grpc.max_connection_age_grace_ms", grace))
    return options


def bracketed(host: str) -> str:
    """A host as it stands before `:port`."""
    return f"[{host}]" if ":" in host else host


def _milliseconds(seconds: float) -> int:
    return min(round(1000 * seconds), _MAX_PINGS)
