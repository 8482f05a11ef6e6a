"""The composition root: from a configuration to a running server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

from rerankd import service_manager
from rerankd.assembly import StartupError, build_engine, build_tracing
from rerankd.config import Config, ConfigError
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import RerankdError
from rerankd.core.native_threads import end_process_if_any
from rerankd.core.registry import ModelReport
from rerankd.core.warmup import Warmup, WarmupRequest, read_samples
from rerankd.diagnostics.bundle import Bundler
from rerankd.doors import gatekeeping_of, grpc_settings, http_server, own_routes, prepare_process
from rerankd.grpc_api.configuration import ConfigService
from rerankd.grpc_api.health import SERVICE, HealthService
from rerankd.grpc_api.probe import GrpcProbe
from rerankd.grpc_api.server import GrpcServer, ListenError, bracketed
from rerankd.grpc_api.service import RerankService
from rerankd.learning import ServedLearning
from rerankd.reconfiguration.reconfiguration import Reconfiguration
from rerankd.reconfiguration.state import with_state
from rerankd.telemetry import logs
from rerankd.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from rerankd.http_api.routes import ServingState
    from rerankd.http_api.server import HttpServer

logger = logging.getLogger(__name__)


class Application:
    """One server: gRPC and HTTP doors on one engine.

    Lives on one event loop. `startup`, then `serve` or `wait_ready`, then `shutdown`; as a context
    manager it starts on entry and shuts down on exit.

    Attributes:
        grpc_port: Port of the gRPC door, known after `startup`.
        http_port: Port of the HTTP door, 0 where it is turned off.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine | None = None,
        *,
        base: Config | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        """Opens no port yet; reads the files of keys and certificates.

        Args:
            config: What holds, with the changes of earlier runs that were kept.
            engine: Ranks; None = the one that `config` describes.
            base: The configuration without those changes; None = there are none.
            reread: Reads the configuration again, for SIGHUP; None = it cannot be read again.

        Raises:
            StartupError: A file of keys or certificates cannot be used.
        """
        self.config = config
        self.engine = engine or build_engine(config)
        self._reconfiguration = Reconfiguration(
            config, self.engine, base=(base or config).reranking, reread=reread
        )
        self._gatekeeping = gatekeeping_of(config)
        self._metrics = Metrics(self.engine, tls_seconds_left=self._gatekeeping.seconds_left)
        self._gatekeeping.on_keys(self._metrics.keys.prepare)
        self._tracing = build_tracing(config)
        self.engine.telemetry.traces = self._tracing
        self.grpc_port = 0
        self.http_port = 0
        self._state: ServingState = "starting"
        self._health = HealthService()
        self._probe = GrpcProbe(self._gatekeeping.access.probe_token)
        self._warmup = Warmup(self.engine, self._probe)
        self._learning = ServedLearning(config, self.engine, self._reconfiguration)
        self._grpc = GrpcServer(
            grpc_settings(config),
            self._service(),
            ConfigService(self._reconfiguration),
            self._health,
            self._gatekeeping.access,
            self._gatekeeping.certificates,
            self._learning.extensions(),
            tracing=self._tracing,
            counts=self._metrics.grpc,
        )
        self._http: HttpServer | None = None
        self._warming: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def state(self) -> ServingState:
        """What a load balancer should know."""
        return self._state

    @property
    def calls_under_way(self) -> int:
        """Accepted calls that have not ended; health, reflection and metrics left out."""
        return self._grpc.calls_under_way + (self._http.calls_under_way if self._http is not None else 0)

    async def startup(self) -> None:
        """Opens the ports and begins to warm up; `wait_ready` tells when that is done.

        Raises:
            StartupError: A port cannot be listened on, or the samples file cannot be read.
        """
        started = time.monotonic()
        # Named for whoever looks at the process with py-spy.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="background"))
        samples = self._read_samples()
        await self._learning.start()
        registry = self.engine.registry
        self._health.set(SERVICE, serving=False)
        self._health.follow(registry)
        # What may have to stand in must not be loaded only when it has to.
        names = ["", *self.config.warmup.models, *self.config.reranking.fallback_models]
        for name in names:
            # A name that nothing is known by fails the warm-up, with a reason.
            with contextlib.suppress(RerankdError):
                model_id = registry.canonical(name)
                self._health.set_model(registry, model_id, registry.report(model_id).state)
        # The load begins before the doors open, in a thread of its own.
        self._warming = asyncio.create_task(self._warm(names, samples, started), name="warm-up")
        await asyncio.sleep(0)
        try:
            await self._open_doors()
        except ListenError as error:
            raise StartupError(str(error)) from error

    async def wait_ready(self) -> None:
        """Returns when the server takes traffic; raises StartupError if it never will."""
        if self._warming is not None:
            await asyncio.shield(self._warming)

    async def serve(self) -> None:
        """Runs until SIGTERM or SIGINT, or until `stop` is called; a second signal ends the grace.

        Raises:
            StartupError: As `startup`, or a model that startup waits for cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        try:
            await self.startup()
            await self._until_stopped()
        finally:
            await self.shutdown()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _until_stopped(self) -> None:
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        ready = asyncio.create_task(self.wait_ready(), name="ready")
        try:
            await asyncio.wait({stopped, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                await ready
            await stopped
        finally:
            stopped.cancel()
            ready.cancel()

    def _reload_soon(self) -> None:
        self._reconfiguration.reload_soon()
        self._gatekeeping.reload_soon()

    def stop(self) -> None:
        """Makes `serve` drain and return; a second call cuts the grace short."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def shutdown(self) -> None:
        """Drains and closes everything: no call that was accepted is lost within the grace.

        Health goes down, after `drain_delay_seconds` connections are told to go away, calls under way
        have `grace_seconds` to finish, what is left fails with DRAINING, the models are freed.
        """
        if self._state == "draining":
            return
        self._state = "draining"
        service_manager.tell(service_manager.STOPPING)
        server = self.config.server
        # What is opened last here is closed first; one that fails does not keep the others open.
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(asyncio.to_thread, self._tracing.shutdown)
            if self._http is not None:
                closing.push_async_callback(self._http.stop)
            closing.callback(self.engine.close)
            closing.push_async_callback(self.engine.registry.close)
            closing.push_async_callback(self._learning.close)
            closing.push_async_callback(self._grpc.stop)
            closing.push_async_callback(self._end_warming)
            closing.push_async_callback(self._reconfiguration.close)
            closing.push_async_callback(self._gatekeeping.close)
            logger.info("going down", extra={"drain_delay_seconds": server.drain_delay_seconds})
            self._health.drain()
            await self._unless_hurried(asyncio.sleep(server.drain_delay_seconds))
            await self._grpc.go_away(server.grace_seconds)
            logger.info("draining", extra={"calls": self.calls_under_way})
            await self._unless_hurried(self._finish(server.grace_seconds))
            await self._finish(0)
        logger.info("stopped")

    async def __aenter__(self) -> Application:
        """Starts."""
        try:
            await self.startup()
        except BaseException:
            await self.shutdown()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shuts down."""
        await self.shutdown()

    async def _finish(self, grace_seconds: float) -> None:
        """Waits for the calls of both doors; what is left after the grace fails with DRAINING."""
        work = [self._grpc.finish(grace_seconds)]
        if self._http is not None:
            work.append(self._http.finish(grace_seconds))
        await asyncio.gather(*work)

    def _offered(self) -> tuple[str, ...]:
        """Names of the models that the operator configured."""
        config = self.config
        return (
            "",
            *config.warmup.models,
            *config.reranking.fallback_models,
            *config.models.local,
            *config.models.aliases,
            *config.plugins.remotes,
        )

    def _service(self) -> RerankService:
        return RerankService(
            self.engine,
            self._warmup,
            offered=self._offered(),
            default_timeout_seconds=self.config.warmup.timeout_seconds,
            stream_idle_seconds=self.config.server.stream_idle_seconds,
            shown=self._learning.shown,
        )

    def _read_samples(self) -> list[Request]:
        path = self.config.warmup.samples
        try:
            return read_samples(path) if path is not None else []
        except (OSError, UnicodeDecodeError, RerankdError) as error:
            raise StartupError(f"warmup.samples: {error}") from error

    async def _open_doors(self) -> None:
        await self._grpc.start()
        self.grpc_port = self._grpc.port
        if self._grpc.probe_address:
            self._probe.aim_at(self._grpc.probe_address)
        else:
            self._probe.aim(self.config.host, self.grpc_port)
        if self.config.http_enabled:
            await self._open_http_door()
        self._gatekeeping.start()
        self._open.set()

    async def _open_http_door(self) -> None:
        from rerankd.http_api.routes import application

        bundler = Bundler(
            config=self.config, engine=self.engine, metrics=self._metrics, offered=self._offered()
        )
        own = own_routes(self.config, self._reconfiguration, bundler, self.grpc_port)
        door = application(
            self.engine,
            lambda: self._state,
            accept_any_model=self.config.http.accept_any_model,
            offered=self._offered(),
            extra_routes=[*own.routes, *self._learning.http_routes()],
            extra_paths={**own.paths, **self._learning.http_paths()},
            access=self._gatekeeping.access,
            body_timeout_seconds=self.config.http.body_timeout_seconds,
            stream_idle_seconds=self.config.server.stream_idle_seconds,
            shown=self._learning.shown,
            metrics=self._metrics,
            tracing=self._tracing,
        )
        self._http = http_server(self.config, door, self._gatekeeping.certificates)
        await self._http.start()
        self.http_port = self._http.port

    async def _warm(self, names: Sequence[str], samples: Sequence[Request], started: float) -> None:
        """Warms what startup waits for, then takes traffic."""
        stages: dict[str, dict[str, float]] = {}
        if self.config.warmup.mode == "startup":
            for name in names:
                report = await self._warm_one(name, samples)
                stages[report.id] = {stage.value: round(1000 * spent, 1) for stage, spent in report.stages}
        await self._open.wait()
        if self._state != "starting":
            return
        self._state = "ready"
        self._health.set(SERVICE, serving=True)
        service_manager.tell(service_manager.READY)
        logger.info(
            "serving",
            extra={
                "grpc": f"{bracketed(self.config.host)}:{self.grpc_port}",
                "http": f"{bracketed(self.config.host)}:{self.http_port}" if self.http_port else "",
                "stages_ms": stages,
                "startup_ms": round(1000 * (time.monotonic() - started), 1),
            },
        )

    async def _warm_one(self, name: str, samples: Sequence[Request]) -> ModelReport:
        registry = self.engine.registry
        request = WarmupRequest(
            model=name, samples=samples, timeout_seconds=self.config.warmup.timeout_seconds
        )
        try:
            async for event in self._warmup.run(request):
                logger.debug(
                    "warm-up",
                    extra={"model": event.model_id, "stage": event.stage.value, "detail": event.detail},
                )
            return registry.report(registry.canonical(name))
        except RerankdError as error:
            shown = name or self.config.model
            raise StartupError(f"model {shown}: {error.spec.reason}: {error.message}") from error

    async def _end_warming(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)

    async def _unless_hurried(self, work: Coroutine[None, None, None]) -> None:
        """Waits for `work`, or until somebody is in a hurry."""
        tasks = {asyncio.ensure_future(work), asyncio.ensure_future(self._hurry.wait())}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()


def run(config: Config, reread: Callable[[], Config] | None = None) -> int:
    """Serves until a signal; the exit status of the process.

    Where a load cannot be interrupted, the process ends here with that status. `reread` reads the
    configuration again, for SIGHUP.
    """
    logs.configure(config.log.level, config.log.format)
    prepare_process()
    status = 0
    try:
        asyncio.run(_serve(config, reread))
    except StartupError as error:
        logger.error("cannot serve: %s", error)
        status = 1
    end_process_if_any(status)
    return status


async def _serve(config: Config, reread: Callable[[], Config] | None) -> None:
    try:
        kept = with_state(config)
    except ConfigError as error:
        raise StartupError(str(error)) from error
    await Application(kept, base=config, reread=reread).serve()
