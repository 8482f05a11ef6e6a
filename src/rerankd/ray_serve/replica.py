"""One replica under Ray Serve: an engine, and our handlers and interceptors on Serve's calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from rerankd.access import access
from rerankd.access.composition import Gatekeeping
from rerankd.access.key_file import KeyFileError
from rerankd.assembly import StartupError, build_engine
from rerankd.config import Config
from rerankd.core.engine import Engine
from rerankd.core.errors import RerankdError
from rerankd.core.warmup import Warmup, WarmupRequest, read_samples
from rerankd.grpc_api.call_interceptor import CallInterceptor
from rerankd.grpc_api.health import SERVICE, HealthService
from rerankd.grpc_api.interceptors import Access, Errors
from rerankd.grpc_api.observing import Logging, RequestIds
from rerankd.grpc_api.service import RerankService
from rerankd.ray_serve.context import ServeContext
from rerankd.telemetry import logs
from rerankd.v1 import rerank_service_pb2 as pb

if TYPE_CHECKING:
    from ray.serve.grpc_util import RayServegRPCContext
    from starlette.types import Receive, Scope, Send

    from rerankd.http_api.door import Door

MessageT = TypeVar("MessageT")

_SERVICE_PATH = f"/{SERVICE}/"
_HEALTH_PATH = "/grpc.health.v1.Health/"


class RerankReplica:
    """The engine with everything that Serve calls; made once its models are warm.

    Serve finds the method of an RPC by its name. It drains and restarts replicas itself.
    """

    async def __init__(self, config: Config) -> None:  # type: ignore[misc] # Serve awaits it.
        """Loads and exercises what the configuration names.

        Raises:
            StartupError: A model cannot be loaded; Serve tries another replica, and tells in its status.
        """
        logs.configure(config.log.level, config.log.format)
        self._gatekeeping = _gatekeeping(config)
        self._gatekeeping.start()
        self._engine = build_engine(_on_share_of_machine(config))
        self._health = HealthService()
        self._health.follow(self._engine.registry)
        warmup = Warmup(self._engine)
        if config.warmup.mode == "startup":
            await _warm(warmup, config)
        self._health.set(SERVICE, serving=True)
        self._service = RerankService(
            self._engine,
            warmup,
            default_timeout_seconds=config.warmup.timeout_seconds,
            stream_idle_seconds=config.server.stream_idle_seconds,
        )
        self._http = _http_door(self._engine, config, self._gatekeeping.access)
        # As in the server itself, without what Serve does: draining, and the replies' metadata.
        self._surroundings: tuple[CallInterceptor, ...] = (
            RequestIds(),
            Logging(),
            Errors(),
            Access(self._gatekeeping.access),
        )

    async def Rerank(  # noqa: N802
        self, request: pb.RerankRequest, grpc_context: RayServegRPCContext
    ) -> pb.RerankResponse:
        """As the RPC of that name."""
        return await self._answer(
            "Rerank", lambda c: self._service.Rerank(request, c), grpc_context, pb.RerankResponse()
        )

    async def RerankBatch(  # noqa: N802
        self, request: pb.RerankBatchRequest, grpc_context: RayServegRPCContext
    ) -> pb.RerankBatchResponse:
        """As the RPC of that name."""
        return await self._answer(
            "RerankBatch",
            lambda c: self._service.RerankBatch(request, c),
            grpc_context,
            pb.RerankBatchResponse(),
        )

    async def Status(  # noqa: N802
        self, request: pb.StatusRequest, grpc_context: RayServegRPCContext
    ) -> pb.StatusResponse:
        """As the RPC of that name, of this replica alone."""
        return await self._answer(
            "Status", lambda c: self._service.Status(request, c), grpc_context, pb.StatusResponse()
        )

    async def RerankStream(  # noqa: N802
        self, requests: AsyncIterator[pb.RerankStreamRequest], grpc_context: RayServegRPCContext
    ) -> AsyncIterator[pb.RerankStreamResponse]:
        """As the RPC of that name."""
        answers = self._stream(
            "RerankStream", lambda c: self._service.RerankStream(requests, c), grpc_context
        )
        async with aclosing(answers):
            async for answer in answers:
                yield answer or pb.RerankStreamResponse()

    async def Warmup(  # noqa: N802
        self, request: pb.WarmupRequest, grpc_context: RayServegRPCContext
    ) -> AsyncIterator[pb.WarmupResponse]:
        """As the RPC of that name, of whichever replica gets it."""
        answers = self._stream("Warmup", lambda c: self._service.Warmup(request, c), grpc_context)
        async with aclosing(answers):
            async for answer in answers:
                yield answer or pb.WarmupResponse()

    async def Check(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, grpc_context: RayServegRPCContext
    ) -> health_pb2.HealthCheckResponse:
        """As `grpc.health.v1`: a replica that answers serves."""
        return await self._answer(
            "Check",
            lambda c: self._health.Check(request, c),
            grpc_context,
            health_pb2.HealthCheckResponse(),
            path=_HEALTH_PATH,
        )

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, grpc_context: RayServegRPCContext
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The health now, and then UNIMPLEMENTED, upon which clients take the connection for healthy.

        Watched for good, a replica would count each client as a call under way and never scale down.
        """

        async def first(context: Any) -> health_pb2.HealthCheckResponse:
            async with _closing(self._health.Watch(request, context)) as statuses:
                return await anext(statuses)

        status = await self._answer(
            "Watch", first, grpc_context, health_pb2.HealthCheckResponse(), path=_HEALTH_PATH
        )
        if not grpc_context.code():
            grpc_context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        yield status

    async def answer_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a call of Serve's HTTP proxy."""
        await self._http(scope, receive, send)

    async def _answer(
        self,
        name: str,
        call: Callable[[Any], Awaitable[MessageT]],
        grpc_context: RayServegRPCContext,
        empty: MessageT,
        path: str = _SERVICE_PATH,
    ) -> MessageT:
        context = ServeContext(grpc_context)
        try:
            async with self._around(f"{path}{name}", context):
                return await call(_as_grpc(context))
        except grpc.aio.AbortError:
            # The status travels with the message, which Serve's proxy then leaves out.
            return empty

    async def _stream(
        self, name: str, call: Callable[[Any], AsyncIterator[MessageT]], grpc_context: RayServegRPCContext
    ) -> AsyncGenerator[MessageT | None, None]:
        """The messages of an answer; None for the one that only carries an error's status."""
        context = ServeContext(grpc_context)
        try:
            # Left to the garbage collector, the handler would go on for a while after a cancel.
            async with (
                self._around(f"{_SERVICE_PATH}{name}", context),
                _closing(call(_as_grpc(context))) as messages,
            ):
                async for message in messages:
                    yield message
        except grpc.aio.AbortError:
            yield None

    @asynccontextmanager
    async def _around(self, method: str, context: ServeContext) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for interceptor in self._surroundings:
                await stack.enter_async_context(interceptor.around(method, _as_grpc(context)))
            yield


def _closing(messages: AsyncIterator[MessageT]) -> aclosing[AsyncGenerator[MessageT, None]]:
    return aclosing(cast("AsyncGenerator[MessageT, None]", messages))


def _as_grpc(context: ServeContext) -> Any:
    """The context, for what is written for the other kind."""
    return context


def _on_share_of_machine(config: Config) -> Config:
    """As many threads as Ray gave this replica cores, unless the configuration says."""
    import ray

    cores = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 0))
    if config.onnx.threads or not cores:
        return config
    return config.model_copy(update={"onnx": config.onnx.model_copy(update={"threads": cores})})


async def _warm(warmup: Warmup, config: Config) -> None:
    samples = read_samples(config.warmup.samples) if config.warmup.samples is not None else []
    for name in ("", *config.warmup.models, *config.reranking.fallback_models):
        request = WarmupRequest(model=name, samples=samples, timeout_seconds=config.warmup.timeout_seconds)
        try:
            async for _ in warmup.run(request):
                # Serve shows its own progress.
                pass
        except RerankdError as error:
            shown = name or config.model
            raise StartupError(f"model {shown}: {error.spec.reason}: {error.message}") from None


def _gatekeeping(config: Config) -> Gatekeeping:
    if config.tls.certificate is not None:
        raise StartupError(
            "tls.certificate: under Ray Serve its proxies listen, and they are who may speak TLS"
        )
    try:
        return Gatekeeping(config)
    except KeyFileError as error:
        raise StartupError(str(error)) from None


def _http_door(engine: Engine, config: Config, access: access.Access) -> Door:
    from rerankd.http_api.routes import application

    return application(
        engine,
        lambda: "ready",
        accept_any_model=config.http.accept_any_model,
        access=access,
        body_timeout_seconds=config.http.body_timeout_seconds,
        stream_idle_seconds=config.server.stream_idle_seconds,
    )
