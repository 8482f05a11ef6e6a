"""The service that a verb talks to: a server's, or one of this process alone."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rerankd.cli._failure import Failure, server_packages
from rerankd.cli._settings import load_config, settings_options

if TYPE_CHECKING:
    from rerankd.config import Config

F = TypeVar("F", bound=Callable[..., object])

TOKEN_VARIABLE = "RERANKD_ADMIN__TOKEN"  # noqa: S105 - a name
"""Where the server itself finds its admin token."""

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024

_server_option = click.option(
    "--server",
    "target",
    envvar="RERANKD_TARGET",
    default="",
    show_envvar=True,
    metavar="TARGET",
    help="gRPC address of a server that does the work; without it, it is done here.",
)
_token_option = click.option(
    "--token-env",
    default=TOKEN_VARIABLE,
    show_default=True,
    metavar="NAME",
    help="Environment variable that holds the server's admin token.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
set_option = click.option(
    "-s",
    "--setting",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of this call by its name in docs/configuration.md, e.g. epochs=3. May repeat.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a verb works: what its options say."""

    target: str
    token_env: str
    config_file: Path | None
    settings: tuple[str, ...]

    @contextmanager
    def service(self) -> Iterator[Service]:
        """The service, its failures those of the client."""
        import grpc

        from rerankd.client import ClientOptions
        from rerankd.client._errors import typed_errors

        with typed_errors():
            if self.target:
                options = ClientOptions().channel_arguments()
                with grpc.insecure_channel(self.target, options) as channel:
                    yield Service(channel, os.environ.get(self.token_env, ""))
                return
            config = load_config({}, self.settings, self.config_file)
            with _server_of_our_own(config) as address, grpc.insecure_channel(address, _UNBOUNDED) as channel:
                yield Service(channel, "")


_UNBOUNDED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Service:
    """Stubs of one channel, with the token in every call."""

    def __init__(self, channel: Any, token: str) -> None:
        from rerankd.training.v1alpha.training_service_pb2_grpc import TrainingServiceStub

        self._stub: Any = TrainingServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def call(self, method: str, request: Any, *, timeout: float | None = 60.0) -> Any:
        """One call; `request` may be an iterator of messages."""
        return getattr(self._stub, method)(request, timeout=timeout, metadata=self._metadata)


def place_options(command: F) -> F:
    """Adds --server, --token-env, --config and --set; the command takes `place`."""

    def adapted(
        *,
        target: str,
        token_env: str,
        config_file: Path | None,
        settings: tuple[str, ...],
        **arguments: Any,
    ) -> object:
        place = Place(target=target, token_env=token_env, config_file=config_file, settings=settings)
        return command(place=place, **arguments)

    adapted.__name__, adapted.__doc__ = command.__name__, command.__doc__
    # Options of the command itself were noted on it, and belong to what is called instead of it.
    adapted.__dict__.update(command.__dict__)
    return settings_options(_server_option(_token_option(adapted)))  # type: ignore[return-value]


@contextmanager
def _server_of_our_own(config: Config) -> Iterator[str]:
    """The service in this process, on a socket that nobody else can open.

    So both ways of working are one, from the checks of a request to the words of an error.
    """
    with server_packages():
        from rerankd.assembly import StartupError, build_learning
    try:
        build_learning(config)
    except StartupError as error:
        raise Failure(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="rerankd-") as folder:
        address = f"unix:{folder}/learn.sock"
        host = _Host(config, address)
        host.start()
        try:
            yield address
        finally:
            host.stop()


class _Host(threading.Thread):
    """A thread with an event loop, on which the service lives."""

    def __init__(self, config: Config, address: str) -> None:
        super().__init__(name="learning", daemon=True)
        self._config = config
        self._address = address
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Returns when calls are answered."""
        super().start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends it: runs keep a checkpoint and end."""
        self._loop.call_soon_threadsafe(self._done.set)
        self.join()

    def run(self) -> None:
        """Serves until it is stopped."""
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        import grpc.aio

        from rerankd.assembly import build_learning
        from rerankd.grpc_api.interceptors import Errors, Replies
        from rerankd.grpc_api.observing import RequestIds
        from rerankd.grpc_api.training import add_training

        learning = build_learning(self._config)
        server = grpc.aio.server(interceptors=(RequestIds(), Errors(), Replies()), options=_UNBOUNDED)
        # Whoever can run this command can change the files as well.
        add_training(server, learning)
        server.add_insecure_port(self._address)
        await server.start()
        self._ready.set()
        await self._done.wait()
        await server.stop(None)
        await learning.close()
