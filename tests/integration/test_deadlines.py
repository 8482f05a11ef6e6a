"""Calls whose deadline what waits leaves no time for, at a real server."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from support.calls import request
from support.fake_backend import FakeBackend
from support.overload import details_of
from support.servers import FakeServer, fake_config, serving

from rerankd.v1 import rerank_service_pb2 as pb


async def busy(server: FakeServer, tokens_per_second: float, waiting: int = 300) -> list[Any]:
    """Fills the queue of a model whose speed is known, and holds it there."""
    await server.stub.Rerank(request(1))
    (model,) = server.app.engine.registry.loaded()
    scheduler: Any = model.scheduler  # type: ignore[union-attr]
    scheduler.pace.ran(round(tokens_per_second), 1.0)
    server.backend.gate.clear()
    calls = [asyncio.ensure_future(server.stub.Rerank(request(200))) for _ in range(2)]
    while scheduler.status().documents < waiting:
        await asyncio.to_thread(time.sleep, 0)
    return calls


async def test_a_call_that_cannot_be_in_time_is_refused_before_it_is_tokenized() -> None:
    backend = FakeBackend()
    async with serving(backend=backend) as server:
        waiting = await busy(server, 100.0)
        encoded: list[str] = []
        original = backend.encode_query
        backend.encode_query = lambda query: encoded.append(query) or original(query)  # type: ignore[method-assign, func-returns-value]
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await server.stub.Rerank(request(50), timeout=5.0)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
        reason, retry = details_of(refusal.value)
        assert (reason, bool(retry)) == ("OVERLOADED", True)
        assert dict(refusal.value.trailing_metadata() or ())["grpc-retry-pushback-ms"]
        assert not encoded
        backend.gate.set()
        assert all(len(answer.results) == 200 for answer in await asyncio.gather(*waiting))


async def test_the_same_call_is_taken_in_where_it_has_the_time() -> None:
    async with serving() as server:
        waiting = await busy(server, 100.0)
        patient = asyncio.ensure_future(server.stub.Rerank(request(50), timeout=250.0))
        others = asyncio.ensure_future(server.stub.Rerank(request(50)))
        # Both are in the queue, which is what was to be shown; then the model goes on.
        (model,) = server.app.engine.registry.loaded()
        while model.status().documents < 400:
            await asyncio.to_thread(time.sleep, 0)
        server.backend.gate.set()
        answers = await asyncio.gather(patient, others, *waiting)
        assert [len(answer.results) for answer in answers] == [50, 50, 200, 200]


async def test_whoever_takes_part_of_an_answer_gets_it_before_the_deadline() -> None:
    async with serving() as server:
        waiting = await busy(server, 100.0)
        answer = await server.stub.Rerank(request(50, on_deadline=pb.DEADLINE_MODE_PARTIAL), timeout=2.0)
        # gRPC would have ended it at the deadline: that it is an answer shows that it came before.
        assert answer.outcome == pb.OUTCOME_PARTIAL
        assert len(answer.results) == 50
        server.backend.gate.set()
        await asyncio.gather(*waiting)


async def test_what_the_cache_knows_needs_no_time() -> None:
    async with serving(fake_config(cache={"max_mib": 1})) as server:
        await server.stub.Rerank(request(50))
        # Both of those that wait want the same 150 scores that are not known.
        waiting = await busy(server, 100.0, waiting=100)
        answer = await server.stub.Rerank(request(50), timeout=2.0)
        assert (len(answer.results), answer.usage.cache_hits) == (50, 50)
        server.backend.gate.set()
        await asyncio.gather(*waiting)
