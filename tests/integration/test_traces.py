"""Traces of real calls, as a collector gets them: whose part they are, what is in them, what is not."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from support.calls import chunks, request, start
from support.collector import Collector, collecting
from support.fake_backend import FakeBackend
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess, fake_config, fake_engine, serving

from rerankd.app import Application
from rerankd.assembly import StartupError, build_engine
from rerankd.client import AsyncClient, Client, ClientOptions
from rerankd.v1 import rerank_service_pb2 as pb

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
UNSAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"
RERANK = "rerankd.v1.RerankService/Rerank"
STREAM = "rerankd.v1.RerankService/RerankStream"
SECRET = "zebrafish"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def traced(collector: Collector, **sections: Any) -> Any:
    return fake_config(tracing={"enabled": True, "endpoint": collector.endpoint}, **sections)


def with_parent(parent: str = PARENT) -> ClientOptions:
    return ClientOptions(metadata={"traceparent": parent})


async def test_a_call_of_the_client_is_part_of_its_callers_trace(collector: Collector) -> None:
    async with (
        serving(traced(collector)) as server,
        AsyncClient(server.target, with_parent()) as client,
    ):
        answer = await client.rerank(SECRET, [f"{SECRET} {n}" for n in range(30)])
    (call,) = collector.wait_for(RERANK)
    assert (call.trace_id, call.parent_id) == (TRACE_ID, SPAN_ID)
    assert call.resource["service.name"] == "rerankd"
    assert call.attributes["rpc.response.status_code"] == "OK"
    assert call.attributes["gen_ai.response.model"] == "test/fake"
    assert call.attributes["gen_ai.usage.input_tokens"] == answer.usage.tokens
    assert call.attributes["rerankd.documents"] == 30
    batches = {(batch.trace_id, batch.span_id) for batch in collector.named("batch")}
    for name in ("queue", "tokenize", "inference"):
        for child in collector.named(name):
            assert (child.trace_id, child.parent_id) == (TRACE_ID, call.span_id), name
            assert call.span.start_time_unix_nano <= child.span.start_time_unix_nano + 1_000_000
            assert child.span.end_time_unix_nano <= call.span.end_time_unix_nano + 1_000_000
    parts = collector.named("inference")
    assert sum(part.attributes["rerankd.documents"] for part in parts) == 30
    assert all(part.links <= batches and part.links for part in parts)
    everything = "".join(str(each.span) for each in collector.spans)
    assert SECRET not in everything


async def test_a_batch_that_serves_two_calls_has_links_to_both(collector: Collector) -> None:
    backend = FakeBackend(batch_tokens=4096)
    async with serving(traced(collector), backend) as server:
        await server.stub.Rerank(request(1))
        backend.gate.clear()
        first = server.stub.Rerank(request(1))
        # The first is in the model by now; the next two wait and then share a micro-batch.
        await asyncio.to_thread(backend.started.acquire)
        await asyncio.to_thread(backend.started.acquire)
        others = [server.stub.Rerank(request(2)) for _ in range(2)]
        while server.app.engine.registry.loaded()[0].status().documents < 4:
            await asyncio.to_thread(lambda: None)
        backend.gate.set()
        await asyncio.gather(first, *others)
    calls = {(call.trace_id, call.span_id) for call in collector.wait_for(RERANK, 4)}
    shared = [batch for batch in collector.named("batch") if batch.attributes["rerankd.batch.calls"] == 2]
    assert len(shared) == 1
    assert len(shared[0].links & calls) == 2
    parts = [
        part for part in collector.named("inference") if (shared[0].trace_id, shared[0].span_id) in part.links
    ]
    assert len({part.trace_id for part in parts}) == 2


async def test_a_failed_call_says_why_and_a_long_stream_stays_short(collector: Collector) -> None:
    async with serving(traced(collector), FakeBackend(batch_tokens=16)) as server:
        with pytest.raises(grpc.aio.AioRpcError):
            await server.stub.Rerank(pb.RerankRequest(query=""))
        messages = iter([start(), *chunks(200, 50)])
        assert [answer async for answer in server.stub.RerankStream(messages)]
    (failed,) = collector.wait_for(RERANK)
    assert failed.attributes["error.type"] == "INVALID_REQUEST"
    assert failed.span.status.code == 2
    (stream,) = collector.wait_for(STREAM)
    inference = [part for part in collector.named("inference") if part.parent_id == stream.span_id]
    left_out = stream.attributes["rerankd.inference.spans_left_out"]
    assert (len(inference), len(inference) + left_out) == (32, len(server.backend.batches))


async def test_callers_decide_and_else_the_ratio_does(collector: Collector) -> None:
    config = fake_config(tracing={"enabled": True, "endpoint": collector.endpoint, "sample_ratio": 0.0})
    async with serving(config) as server:
        await server.stub.Rerank(request(1))
        await server.stub.Rerank(request(1), metadata=(("traceparent", UNSAMPLED),))
        await server.stub.Rerank(request(1), metadata=(("traceparent", PARENT),))
    assert [call.trace_id for call in collector.wait_for(RERANK)] == [TRACE_ID]


async def test_http_is_traced_by_its_route(collector: Collector) -> None:
    async with serving(traced(collector, http_enabled=True)) as server:
        body = json.dumps({"query": "alpha", "texts": ["alpha", "beta"]}).encode()
        headers = {"content-type": "application/json", "traceparent": PARENT}
        question = urllib.request.Request(f"{server.http_url}/rerank", body, headers)
        await asyncio.to_thread(lambda: urllib.request.urlopen(question, timeout=30).close())
    (call,) = collector.wait_for("POST /rerank")
    assert (call.trace_id, call.parent_id) == (TRACE_ID, SPAN_ID)
    assert call.attributes["http.response.status_code"] == 200
    assert {part.trace_id for part in collector.named("inference")} == {TRACE_ID}


def test_the_synchronous_client_and_the_log_line() -> None:
    """Without tracing, too, the line of a call names its caller's trace."""
    process = ServerProcess({"log.level": "debug", "warmup.mode": "lazy"}, program=FAKE_MODEL_PROGRAM)
    try:
        with Client(process.target, with_parent()) as client:
            client.rerank("alpha", ["alpha", "beta"])
        line = process.wait_for("call")
        while line["method"] != f"/{RERANK}":
            line = process.wait_for("call")
    finally:
        process.stop()
    assert line["trace_id"] == TRACE_ID
    wanted = {"time", "level", "event", "request_id", "trace_id", "method", "code", "reason", "model"}
    assert wanted | {"documents", "tokens", "queue_ms", "inference_ms", "peer"} <= set(line)


async def test_the_span_of_an_application_is_sent_along(collector: Collector) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    async with serving(traced(collector)) as server, AsyncClient(server.target) as client:
        with tracer.start_as_current_span("search") as span:
            await client.rerank("alpha", ["alpha"])
    (call,) = collector.wait_for(RERANK)
    assert call.trace_id == f"{span.get_span_context().trace_id:032x}"
    assert call.parent_id == f"{span.get_span_context().span_id:016x}"


async def test_a_collector_that_is_away_costs_no_call() -> None:
    config = fake_config(tracing={"enabled": True, "endpoint": "http://127.0.0.1:1"})
    async with serving(config) as server:
        assert (await server.stub.Rerank(request(3))).results


def test_without_the_extra_the_server_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "rerankd.telemetry.otel", raising=False)
    config = fake_config(tracing={"enabled": True})
    with pytest.raises(StartupError, match=r"pip install 'rerankd\[otel\]'"):
        Application(config, fake_engine(FakeBackend(), config))


async def test_a_server_that_asks_another_sends_the_trace_along(collector: Collector) -> None:
    async with serving(traced(collector)) as behind:
        remotes = {"far": {"url": f"grpc://{behind.target}"}}
        config = traced(collector, plugins={"remotes": remotes})
        async with serving(config, engine=build_engine(config)) as front:
            parent = (("traceparent", PARENT),)
            answer = await front.stub.Rerank(request(3, model="far"), metadata=parent)
            assert len(answer.results) == 3
    calls = {call.span_id: call for call in collector.wait_for(RERANK, 2)}
    (first,) = [call for call in calls.values() if call.parent_id == SPAN_ID]
    (second,) = [call for call in calls.values() if call is not first and call.parent_id == first.span_id]
    assert (first.trace_id, second.trace_id) == (TRACE_ID, TRACE_ID)
    assert {part.parent_id for part in collector.named("inference")} >= {first.span_id, second.span_id}
