"""Callers that leave, and a server that goes down: no accepted call is lost."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import Any

import grpc
import pytest
from support.calls import (
    NOT_SERVING,
    SERVICE,
    SERVING,
    GatedLoader,
    chunks,
    gated,
    get,
    observed,
    request,
    start,
    watch,
)
from support.fake_backend import FakeBackend
from support.servers import ServerProcess, channel_to, fake_config, serving
from support.statuses import failure_of

from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub


async def test_the_server_stops_reading_while_its_window_is_full() -> None:
    backend = FakeBackend(batch_tokens=16)
    engine, server_context = observed(backend, limits={"stream_window_documents": 8})
    async with server_context as server:
        backend.gate.clear()
        call = server.stub.RerankStream(iter([start(), *chunks(400, 4)]))
        await asyncio.to_thread(backend.started.acquire)
        # Many turns of the loop, in each of which an unbounded reader would have read on.
        for _ in range(30):
            await server.stub.Status(pb.StatusRequest())
        # The window and the one chunk that waits for room in it.
        assert engine.pulled <= 8 + 4
        backend.gate.set()
        answers = [message async for message in call]
    assert len(answers[-1].summary.results) == 400


@pytest.mark.parametrize("how", ["cancel", "disconnect"])
async def test_a_stream_that_is_left_stops_within_a_micro_batch(how: str) -> None:
    backend = FakeBackend(batch_tokens=16)
    engine, server_context = observed(backend)
    async with server_context as server:
        backend.gate.clear()
        channel = channel_to(server.target)
        call = RerankServiceStub(channel).RerankStream(iter([start(), *chunks(100, 10)]))
        reading = asyncio.ensure_future(call.read())
        await asyncio.to_thread(backend.started.acquire)
        if how == "cancel":
            call.cancel()
        await channel.close()
        await asyncio.gather(reading, return_exceptions=True)
        await engine.ended.wait()
        backend.gate.set()
        # Comes after whatever the stream still had queued.
        await server.stub.Rerank(pb.RerankRequest(query="q", documents=[pb.Document(text="last")]))
        assert [len(batch) for batch in backend.batches[1:]] == [1]


async def test_a_unary_call_that_is_cancelled_frees_its_queue() -> None:
    backend = FakeBackend(batch_tokens=16)
    async with serving(backend=backend) as server:
        await server.stub.Rerank(request(1))
        backend.gate.clear()
        done = len(backend.batches)
        await asyncio.to_thread(backend.started.acquire)
        call = server.stub.Rerank(request(50))
        await asyncio.to_thread(backend.started.acquire)
        call.cancel()
        status = await server.stub.Status(pb.StatusRequest())
        while status.queue.documents:
            status = await server.stub.Status(pb.StatusRequest())
        backend.gate.set()
        await server.stub.Rerank(pb.RerankRequest(query="q", documents=[pb.Document(text="last")]))
        assert len(backend.batches) == done + 2


async def call_until_it_fails(stub: Any) -> None:
    while True:
        await stub.Status(pb.StatusRequest())


async def test_a_drain_finishes_what_was_accepted_and_takes_nothing_new() -> None:
    async with serving(fake_config(http_enabled=True)) as server:
        await server.stub.Rerank(request(1))
        await asyncio.to_thread(server.backend.started.acquire)
        watching = watch(server, SERVICE)
        assert (await watching.read()).status == SERVING
        server.backend.gate.clear()
        accepted = [asyncio.ensure_future(server.stub.Rerank(request(i + 1))) for i in range(10)]
        await asyncio.to_thread(server.backend.started.acquire)
        while server.app.calls_under_way < 10:
            await server.stub.Status(pb.StatusRequest())
        going_down = asyncio.create_task(server.app.shutdown())
        assert (await watching.read()).status == NOT_SERVING
        # The connection has been told to go away and there is nobody else: what a client retries elsewhere.
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_until_it_fails(server.stub)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        status, body, _ = await get(f"{server.http_url}/health")
        assert (status, body["state"]) == (503, "draining")
        assert not going_down.done()
        server.backend.gate.set()
        responses = await asyncio.gather(*accepted)
        assert [len(response.results) for response in responses] == list(range(1, 11))
        await going_down
        assert server.backend.closed


async def test_what_the_grace_does_not_cover_fails_with_draining() -> None:
    async with serving(fake_config(server={"grace_seconds": 0})) as server:
        await server.stub.Rerank(request(1))
        await asyncio.to_thread(server.backend.started.acquire)
        server.backend.gate.clear()
        unary = asyncio.ensure_future(failure_of(server.stub.Rerank(request(5))))
        await asyncio.to_thread(server.backend.started.acquire)
        open_stream = server.stub.RerankStream()
        await open_stream.write(start())
        while server.app.calls_under_way < 2:
            await server.stub.Status(pb.StatusRequest())
        going_down = asyncio.create_task(server.app.shutdown())
        failures = [await unary, await failure_of(open_stream)]
        assert [(f.code, f.reason) for f in failures] == [("UNAVAILABLE", "DRAINING")] * 2
        server.backend.gate.set()
        await going_down


async def test_a_load_under_way_does_not_hold_up_the_end() -> None:
    loader = GatedLoader()
    async with gated(loader, server={"grace_seconds": 0}) as server:
        waiting = asyncio.ensure_future(failure_of(server.stub.Rerank(request())))
        while not server.app.calls_under_way:
            await server.stub.Status(pb.StatusRequest())
        await server.app.shutdown()
        assert (await waiting).reason == "DRAINING"
        loader.gate.set()


async def test_sigterm_loses_no_accepted_call_and_exits_with_0() -> None:
    process = ServerProcess({"log.level": "info"})
    async with channel_to(process.target) as channel:
        stub: Any = RerankServiceStub(channel)
        stream = stub.RerankStream()
        await stream.write(start(pb.STREAM_EMIT_SCORES))
        await stream.write(chunks(4, 4)[0])
        assert (await stream.read()).WhichOneof("message") == "scores"
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait_for, "draining")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Rerank(request())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await stream.write(chunks(4, 4)[0])
        await stream.done_writing()
        summary = await stream.read()
        while summary.WhichOneof("message") != "summary":
            summary = await stream.read()
        assert summary.summary.usage.documents == 8
        assert await stream.read() is grpc.aio.EOF
        assert await asyncio.to_thread(process.wait) == 0
    assert not [line for line in process.log if "Traceback" in line], "".join(process.log)


async def test_under_load_every_call_is_answered_until_the_connection_is_gone() -> None:
    process = ServerProcess({})
    outcomes: Counter[str] = Counter()
    signalled = asyncio.Event()
    one = pb.RerankRequest(query="alpha", documents=[pb.Document(text="alpha beta")])

    async def call_until_gone() -> None:
        async with channel_to(process.target) as channel:
            stub: Any = RerankServiceStub(channel)
            while True:
                try:
                    await stub.Rerank(one)
                except grpc.aio.AioRpcError as error:
                    outcomes[error.code().name] += 1
                    return
                outcomes["OK"] += 1
                if outcomes["OK"] >= 100 and not signalled.is_set():
                    signalled.set()
                    process.send_signal(signal.SIGTERM)

    await asyncio.gather(*(call_until_gone() for _ in range(20)))
    assert await asyncio.to_thread(process.wait) == 0
    # The one UNAVAILABLE of each caller is the connection that it could no longer open.
    assert set(outcomes) == {"OK", "UNAVAILABLE"}
    assert outcomes["UNAVAILABLE"] == 20


async def test_a_second_signal_ends_the_grace() -> None:
    process = ServerProcess({})
    async with channel_to(process.target) as channel:
        stub: Any = RerankServiceStub(channel)
        stream = stub.RerankStream()
        await stream.write(start())
        await stream.write(chunks(4, 4)[0])
        await stub.Status(pb.StatusRequest())
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait_for, "draining")
        process.send_signal(signal.SIGTERM)
        assert (await failure_of(stream)).reason == "DRAINING"
        assert await asyncio.to_thread(process.wait) == 0
