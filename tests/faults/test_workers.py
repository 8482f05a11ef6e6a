"""Worker threads that die, and batches that find no memory: only their own requests hear of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from support.calls import chunks, request, start
from support.fake_backend import FakeBackend, Pair, Query
from support.servers import FakeServer, serving
from support.statuses import failure_of

from rerankd.backends.base import EncodeOptions, Float32Array
from rerankd.v1 import rerank_service_pb2 as pb

MODEL = "infer-0-test/fake"


class Panic(BaseException):
    """As native libraries raise: no Exception."""


class FaultyBackend(FakeBackend):
    """Raises for the texts that tell it to."""

    faults: dict[str, BaseException]

    def score(self, pairs: Sequence[Pair], lane: int) -> Float32Array:
        scores = super().score(pairs, lane)
        for word, error in self.faults.items():
            if any(word in pair.text.split() for pair in pairs):
                raise error
        return scores

    def encode_documents(
        self, query: Query, texts: Sequence[str], options: EncodeOptions
    ) -> list[list[Pair]]:
        if any("untokenizable" in text.split() for text in texts):
            raise Panic("at src/lib.rs:5")
        return super().encode_documents(query, texts, options)


def faulty(batch_tokens: int = 8, **faults: BaseException) -> FaultyBackend:
    """Small batches, so that what is asked together does not run together."""
    backend = FaultyBackend(batch_tokens=batch_tokens)
    backend.faults = faults
    return backend


def asking(*texts: str) -> pb.RerankRequest:
    return pb.RerankRequest(query="alpha beta", documents=[pb.Document(text=text) for text in texts])


def lanes() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == MODEL]


async def still_serves(server: FakeServer) -> None:
    reply = await server.stub.Rerank(request(5))
    assert len(reply.results) == 5


async def test_a_lane_that_dies_in_a_batch_is_replaced_and_only_that_batch_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = faulty(fatal=SystemExit())
    async with serving(backend=backend) as server:
        await still_serves(server)
        (before,) = lanes()
        backend.gate.clear()
        first = asyncio.ensure_future(server.stub.Rerank(asking("fatal alpha")))
        # The batch that will die is running; the others wait behind it.
        await asyncio.to_thread(lambda: [backend.started.acquire() for _ in range(6)])
        others = [asyncio.ensure_future(server.stub.Rerank(request(3))) for _ in range(4)]
        stream = server.stub.RerankStream(iter([start(), *chunks(40, 10)]))
        while server.app.calls_under_way < 6:
            await server.stub.Status(pb.StatusRequest())
        backend.gate.set()
        assert (await failure_of(first)).reason == "BACKEND_FAILED"
        assert [len(reply.results) for reply in await asyncio.gather(*others)] == [3] * 4
        told: list[Any] = [message async for message in stream]
        assert len(told[-1].summary.results) == 40
        (after,) = lanes()
        assert after is not before
        await still_serves(server)
    assert [record for record in caplog.records if record.message == "lane died and is replaced"]


async def test_a_lane_may_die_a_hundred_times(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    async with serving(backend=faulty(fatal=SystemExit())) as server:
        for _ in range(100):
            assert (await failure_of(server.stub.Rerank(asking("fatal")))).code == "INTERNAL"
        await still_serves(server)
        assert len(lanes()) == 1


@pytest.mark.parametrize("error", [MemoryError(), Panic("at src/lib.rs:5")], ids=["memory", "panic"])
async def test_a_batch_without_memory_fails_its_own_requests_only(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    backend = faulty(huge=error)
    async with serving(backend=backend) as server:
        await still_serves(server)
        hit, *others = [asking("huge alpha"), *(request(4) for _ in range(5))]
        outcomes = await asyncio.gather(
            failure_of(server.stub.Rerank(hit)), *(server.stub.Rerank(other) for other in others)
        )
        assert outcomes[0].reason == "BACKEND_FAILED"
        assert [len(reply.results) for reply in outcomes[1:]] == [4] * 5
        await still_serves(server)
    # The operator reads what it was.
    assert type(error).__name__ in caplog.text


async def test_a_tokenizer_that_panics_fails_its_own_request_only(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(backend=faulty()) as server:
        failure = await failure_of(server.stub.Rerank(asking("untokenizable")))
        assert (failure.code, failure.reason) == ("INTERNAL", "BACKEND_FAILED")
        stream = server.stub.RerankStream(
            iter([start(), pb.RerankStreamRequest(documents=asking_chunk("alpha", "untokenizable"))])
        )
        assert (await failure_of(stream)).reason == "BACKEND_FAILED"
        await still_serves(server)
    assert "Panic" in caplog.text


def asking_chunk(*texts: str) -> pb.DocumentChunk:
    return pb.DocumentChunk(documents=[pb.Document(text=text) for text in texts])
