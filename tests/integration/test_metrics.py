"""/metrics of a running server: exactly the table, every series there from the start, nothing unbounded."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from support.calls import chunks, get, request, start
from support.fake_backend import RAISE_WORD, FakeBackend
from support.servers import FakeServer, fake_config, serving

from rerankd.telemetry.call_metrics import STATUS_CLASSES
from rerankd.telemetry.metric_table import METRICS
from rerankd.v1 import rerank_service_pb2 as pb

FOREIGN = ("process_", "python_")
METHOD = {"grpc_service": "rerankd.v1.RerankService", "grpc_method": "Rerank"}


def with_http(**sections: object) -> object:
    return fake_config(http_enabled=True, **sections)


async def families(server: FakeServer) -> dict[str, Metric]:
    _, page, _ = await get(f"{server.http_url}/metrics")
    return {family.name: family for family in text_string_to_metric_families(page)}


async def value(server: FakeServer, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in (await families(server)).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert found, f"no series {name} {labels}"
    return sum(found)


async def loaded(server: FakeServer) -> None:
    await server.stub.Rerank(request(1))


async def test_the_page_holds_the_table_and_nothing_else_of_ours() -> None:
    async with serving(with_http()) as server:
        await loaded(server)
        found = await families(server)
    ours = {name: family for name, family in found.items() if not name.startswith(FOREIGN)}
    # The parser gives an info as a gauge of its whole name.
    assert set(ours) == {spec.name if spec.kind == "info" else spec.family for spec in METRICS}
    for spec in METRICS:
        family = ours[spec.name if spec.kind == "info" else spec.family]
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert labels == set(spec.labels), spec.name
        assert family.samples, f"{spec.name} has no series before the first event"
        assert family.documentation == spec.help


async def test_every_method_code_route_and_reason_is_there_before_the_first_call() -> None:
    async with serving(with_http()) as server:
        handled = (await families(server))["grpc_server_handled"].samples
        methods = {(s.labels["grpc_service"], s.labels["grpc_method"]) for s in handled}
        names = {"Rerank", "RerankStream", "RerankBatch", "Status", "Warmup"}
        assert {("rerankd.v1.RerankService", name) for name in names} <= methods
        assert ("grpc.health.v1.Health", "Check") in methods
        assert len(handled) == len(methods) * len(grpc.StatusCode)
        requests = (await families(server))["rerankd_http_requests"].samples
        routes = {sample.labels["route"] for sample in requests}
        assert {"/rerank", "/v2/rerank", "/api/v1/rerank/stream", "/metrics", "other"} <= routes
        assert len(requests) == len(routes) * len(STATUS_CLASSES)


async def test_calls_are_counted_with_their_messages_codes_and_reasons() -> None:
    async with serving(with_http()) as server:
        await server.stub.Rerank(request(5))
        with pytest.raises(grpc.aio.AioRpcError):
            await server.stub.Rerank(pb.RerankRequest(query=""))
        stream = server.stub.RerankStream(iter([start(top_n=2), *chunks(40, 10)]))
        answers = [message async for message in stream]
        assert await value(server, "grpc_server_started_total", **METHOD) == 2
        assert await value(server, "grpc_server_handled_total", **METHOD, grpc_code="OK") == 1
        assert await value(server, "grpc_server_handled_total", **METHOD, grpc_code="INVALID_ARGUMENT") == 1
        assert await value(server, "grpc_server_handling_seconds_count", **METHOD) == 2
        streams = {"grpc_method": "RerankStream", "grpc_type": "bidi_stream"}
        assert await value(server, "grpc_server_msg_received_total", **streams) == 5
        assert await value(server, "grpc_server_msg_sent_total", **streams) == len(answers)
        assert await value(server, "rerankd_errors_total", reason="INVALID_REQUEST") == 1
        assert await value(server, "rerankd_calls_in_progress", door="grpc") == 0


async def test_the_work_is_counted() -> None:
    async with serving(with_http(cache={"max_mib": 1})) as server:
        await server.stub.Rerank(request(20))
        await server.stub.Rerank(request(20))
        assert await value(server, "rerankd_documents_total", model="test/fake") == 40
        tokens = await value(server, "rerankd_tokens_total", model="test/fake")
        assert tokens == sum(pair.tokens for batch in server.backend.batches for pair in batch)
        assert await value(server, "rerankd_batch_documents_sum") == server.backend.scored_pairs == 20
        batches = len(server.backend.batches)
        assert await value(server, "rerankd_inference_seconds_count", model="test/fake") == batches
        assert await value(server, "rerankd_batch_padding_ratio_count") == batches
        assert await value(server, "rerankd_queue_wait_seconds_count", priority="interactive") == 1
        assert await value(server, "rerankd_score_cache_hits_total") == 20
        assert await value(server, "rerankd_model_state", model="test/fake", state="active") == 1
        assert await value(server, "rerankd_rankings_total", outcome="reranked") == 2
        assert await value(server, "rerankd_tokens_per_second", model="test/fake") > 0


async def test_dropped_documents_say_why() -> None:
    async with serving(with_http()) as server:
        await loaded(server)
        server.backend.gate.clear()
        call = server.stub.Rerank(request(30))
        await asyncio.to_thread(server.backend.started.acquire)
        await asyncio.to_thread(server.backend.started.acquire)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while not await value(server, "rerankd_dropped_total", why="cancelled"):
            """Each look lets the server go on."""
        server.backend.gate.set()
        assert await value(server, "rerankd_dropped_total", why="cancelled") == 30
        with pytest.raises(grpc.aio.AioRpcError):
            await server.stub.Rerank(pb.RerankRequest(query="q", documents=[pb.Document(text=RAISE_WORD)]))
        assert await value(server, "rerankd_dropped_total", why="failed") == 1
        assert await value(server, "rerankd_batch_failures_total", model="test/fake") == 1


async def test_a_deadline_is_told_from_a_cancel() -> None:
    async with serving(with_http()) as server:
        await loaded(server)
        server.backend.gate.clear()
        answer = await server.stub.Rerank(request(30, on_deadline=pb.DEADLINE_MODE_PARTIAL), timeout=0.5)
        assert answer.outcome == pb.OUTCOME_PARTIAL
        assert await value(server, "rerankd_dropped_total", why="deadline") == 30
        server.backend.gate.set()


async def test_what_callers_make_up_makes_no_series() -> None:
    async with serving(with_http()) as server:
        await loaded(server)
        before = sum(len(family.samples) for family in (await families(server)).values())
        for number in range(20):
            await get(f"{server.http_url}/nothing/{number}")
            with pytest.raises(grpc.aio.AioRpcError):
                await server.channel.unary_unary(f"/made.up/Method{number}")(b"")
            with pytest.raises(grpc.aio.AioRpcError):
                await server.stub.Rerank(request(1, model=f"made/up{number}"))
        after = sum(len(family.samples) for family in (await families(server)).values())
        assert after == before
        assert await value(server, "rerankd_http_requests_total", route="other", status="4xx") == 20


async def test_a_model_beyond_the_bound_counts_as_other() -> None:
    from prometheus_client import CollectorRegistry

    from rerankd.telemetry.work_metrics import MAX_MODELS, WorkMetrics

    registry = CollectorRegistry()
    work = WorkMetrics(registry)
    for number in range(MAX_MODELS + 10):
        work.on_scored(f"model{number}", 1, 0)
    (counted,) = [family for family in registry.collect() if family.name == "rerankd_documents"]
    totals = {s.labels["model"]: s.value for s in counted.samples if s.name.endswith("_total")}
    assert len(totals) == MAX_MODELS + 1
    assert totals["other"] == 10


async def test_the_page_is_open_metrics_for_whoever_asks() -> None:
    import urllib.request

    async with serving(with_http(), FakeBackend()) as server:
        wanted = {"accept": "application/openmetrics-text; version=1.0.0"}
        question = urllib.request.Request(f"{server.http_url}/metrics", headers=wanted)

        def read() -> tuple[str, bytes]:
            with urllib.request.urlopen(question, timeout=30) as answer:
                return answer.headers["content-type"], answer.read()

        kind, page = await asyncio.to_thread(read)
    assert "openmetrics" in kind
    assert page.endswith(b"# EOF\n")
