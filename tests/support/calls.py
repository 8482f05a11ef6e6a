"""Messages, models and questions that the tests of the server have in common."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from rerankd.assembly import build_engine
from rerankd.backends.base import ProgressReporter
from rerankd.core.engine import ANYONE, Engine
from rerankd.core.stream_events import Chunk, StreamEvent, StreamRequest
from rerankd.core.types import Caller, Ranking, WarmupStage
from rerankd.v1 import rerank_service_pb2 as pb
from support.fake_backend import FakeBackend, FakeCatalogue
from support.servers import FakeServer, fake_config, fake_engine, serving

SERVICE = "rerankd.v1.RerankService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
WORDS = ("alpha", "beta", "gamma", "delta")


def texts(count: int) -> list[str]:
    """Different texts, some of which share words with the query `alpha beta`."""
    return [f"{WORDS[i % 4]} {WORDS[i // 4 % 4]} n{i}" for i in range(count)]


def documents(count: int) -> list[pb.Document]:
    return [pb.Document(id=f"d{i}", text=text) for i, text in enumerate(texts(count))]


def request(count: int = 3, **options: Any) -> pb.RerankRequest:
    return pb.RerankRequest(
        query="alpha beta", documents=documents(count), options=pb.RerankOptions(**options)
    )


def start(
    emit: Any = pb.STREAM_EMIT_UNSPECIFIED, interval: Any = None, **options: Any
) -> pb.RerankStreamRequest:
    return pb.RerankStreamRequest(
        start=pb.RerankStreamStart(
            query="alpha beta", options=pb.RerankOptions(**options), emit=emit, snapshot_interval=interval
        )
    )


def chunks(count: int, size: int) -> list[pb.RerankStreamRequest]:
    every = documents(count)
    return [
        pb.RerankStreamRequest(documents=pb.DocumentChunk(documents=every[i : i + size]))
        for i in range(0, count, size)
    ]


async def check(server: FakeServer, name: str) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status


def watch(server: FakeServer, name: str) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    return stub.Watch(health_pb2.HealthCheckRequest(service=name))


async def get(url: str) -> tuple[int, Any, str]:
    """Status, body and content type of an HTTP answer."""

    def read() -> tuple[int, bytes, str]:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return response.status, response.read(), response.headers["content-type"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers["content-type"]

    status, body, kind = await asyncio.to_thread(read)
    return status, json.loads(body) if kind == "application/json" else body.decode(), kind


@dataclass(eq=False)
class GatedLoader:
    """Loads when it is let; counts how often it was asked."""

    backend: FakeBackend = field(default_factory=FakeBackend)
    gate: threading.Event = field(default_factory=threading.Event)
    loads: int = 0
    failure: Exception | None = None

    def __call__(self, model_id: str, report: ProgressReporter) -> FakeBackend:
        self.loads += 1
        report(WarmupStage.RESOLVE, 1.0, "resolved")
        report(WarmupStage.SESSION, 0.0, "opening")
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.backend


def gated(loader: GatedLoader, **sections: Any) -> Any:
    """A server whose model loads when the loader's gate opens."""
    config = fake_config(**sections)
    engine = build_engine(config, catalogue=FakeCatalogue(), loader=loader)
    return serving(config, loader.backend, engine)


class ObservedEngine(Engine):
    """Tells what its streams have pulled, and when one has ended."""

    def observe(self) -> None:
        self.pulled = 0
        self.ended = asyncio.Event()

    async def rerank_stream(
        self, request: StreamRequest, chunks: AsyncIterator[Chunk], caller: Caller = ANYONE
    ) -> AsyncIterator[StreamEvent | Ranking]:
        async def counted() -> AsyncIterator[Chunk]:
            async for chunk in chunks:
                self.pulled += len(chunk)
                yield chunk

        events: Any = super().rerank_stream(request, counted(), caller)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()
            self.ended.set()


def observed(backend: FakeBackend, **sections: Any) -> tuple[ObservedEngine, Any]:
    config = fake_config(**sections)
    plain = fake_engine(backend, config)
    engine = ObservedEngine(plain.registry, plain.limits)
    engine.observe()
    return engine, serving(config, backend, engine)
