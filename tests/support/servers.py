"""Servers for tests: a real one in a process of its own, and one with a fake model on the test's loop."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from rerankd.app import Application
from rerankd.assembly import build_engine
from rerankd.config import Config
from rerankd.core.engine import Engine
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub
from support.fake_backend import FakeBackend, FakeCatalogue, fake_loader

_SERVE = """
import sys
from rerankd.app import run
from rerankd.config import load
import json
sys.exit(run(load(json.loads(sys.argv[1]))))
"""

# The real server on the fake model: fast, and its scores do not depend on the batch, so that the answers
# of two runs can be compared exactly.
FAKE_MODEL_PROGRAM = f"""
import asyncio, json, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from rerankd.app import Application
from rerankd.config import load
from rerankd.telemetry import logs
from support.fake_backend import FakeBackend
from support.servers import fake_engine
config = load(json.loads(sys.argv[1]))
logs.configure(config.log.level, config.log.format)
asyncio.run(Application(config, fake_engine(FakeBackend(batch_tokens=512), config)).serve())
"""

TIMEOUT_SECONDS = 60.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class ServerProcess:
    """`rerankd.app.run` in a process of its own; ready when made.

    Attributes:
        target: `host:port` of the gRPC door.
        http_url: Where the HTTP door is.
    """

    def __init__(self, flags: Mapping[str, object], *, program: str = _SERVE) -> None:
        wanted = {"grpc_port": 0, "http_port": 0, "log.format": "json", **flags}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RERANKD_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(wanted)],
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            serving = self.wait_for("serving")
        except BaseException:
            self._process.kill()
            self.wait()
            raise
        self.target: str = serving["grpc"]
        self.http_url = f"http://{serving['http']}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line)
            if line.startswith("{"):
                self._lines.put(json.loads(line))
        self._lines.put(None)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next log line of this event."""
        while (line := self._lines.get(timeout=TIMEOUT_SECONDS)) is not None:
            if line["event"] == event:
                return line
        raise AssertionError(f"the server ended before {event!r}:\n{''.join(self.log)}")

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit status, once the process has ended and its log is complete."""
        code = self._process.wait(timeout=TIMEOUT_SECONDS)
        self._reader.join(timeout=TIMEOUT_SECONDS)
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code

    def stop(self) -> int:
        """Terminates it, if that has not happened; the exit status."""
        if self._process.poll() is None:
            self.send_signal(signal.SIGTERM)
        return self.wait()


def fake_config(**sections: Any) -> Config:
    """Free ports, health says SERVING at once, and every pair is scored: tests count them."""
    defaults: dict[str, Any] = {
        "grpc_port": 0,
        "http_port": 0,
        "http_enabled": False,
        "warmup": {"mode": "lazy"},
        "cache": {"max_mib": 0},
    }
    return Config.model_validate(defaults | sections)


def fake_engine(backend: FakeBackend, config: Config) -> Engine:
    """A real engine on a fake model, with the limits of the configuration."""
    return build_engine(config, catalogue=FakeCatalogue(), loader=fake_loader(backend))


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeServer:
    """A running server on the test's own event loop, and a channel to it."""

    app: Application
    backend: FakeBackend
    channel: grpc.aio.Channel
    stub: Any

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.app.grpc_port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.app.http_port}"


@asynccontextmanager
async def serving(
    config: Config | None = None, backend: FakeBackend | None = None, engine: Engine | None = None
) -> AsyncIterator[FakeServer]:
    """A server with a fake model; its gate is opened at the end, so that it can always go down."""
    config, backend = config or fake_config(), backend or FakeBackend()
    app = Application(config, engine or fake_engine(backend, config))
    try:
        async with app, channel_to(f"127.0.0.1:{app.grpc_port}") as channel:
            try:
                yield FakeServer(app=app, backend=backend, channel=channel, stub=RerankServiceStub(channel))
            finally:
                backend.gate.set()
    finally:
        backend.gate.set()


def channel_to(target: str) -> grpc.aio.Channel:
    """A channel without retries, so that each test sees the first answer."""
    return grpc.aio.insecure_channel(
        target,
        options=(
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ),
    )
