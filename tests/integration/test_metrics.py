"""/metrics of a running server: exactly the table, every series there from the start, nothing unbounded."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from support.calls import chunks, get, request, start
from support.certificates import Authority, needs_openssl
from support.fake_backend import RAISE_WORD, FakeBackend
from support.http import call
from support.keys import shown, write_keys
from support.servers import FakeServer, fake_config, serving

from rerankd.access.key_file import KeyRecord
from rerankd.telemetry.call_metrics import STATUS_CLASSES
from rerankd.telemetry.metric_table import METRICS
from rerankd.v1 import rerank_service_pb2 as pb

FOREIGN = ("process_", "python_")
NAMES = ("search", "small", "narrow")
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


def with_keys(folder: Path, **sections: Any) -> Any:
    """A server with keys, which is open for whoever has none of a test's names."""
    file = folder / "keys.toml"
    small = KeyRecord(sha256="0" * 64, tokens_per_minute=60)
    narrow = KeyRecord(sha256="0" * 64, models=("test/other",))
    write_keys(file, {"search": None, "small": small, "narrow": narrow})
    return with_http(auth={"keys_file": file}, server={"reload_seconds": 0.02}, **sections)


async def test_the_page_holds_the_table_and_nothing_else_of_ours(tmp_path: Path) -> None:
    async with serving(with_keys(tmp_path)) as server:
        await server.stub.Rerank(request(1), metadata=shown("search"))
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

    from rerankd.telemetry.key_metrics import KeyMetrics
    from rerankd.telemetry.work_metrics import MAX_MODELS, WorkMetrics

    registry = CollectorRegistry()
    work = WorkMetrics(registry, KeyMetrics(registry))
    for number in range(MAX_MODELS + 10):
        work.on_scored(f"model{number}", 1, 0)
    (counted,) = [family for family in registry.collect() if family.name == "rerankd_documents"]
    totals = {s.labels["model"]: s.value for s in counted.samples if s.name.endswith("_total")}
    assert len(totals) == MAX_MODELS + 1
    assert totals["other"] == 10


async def test_calls_tokens_and_refusals_are_counted_by_key(tmp_path: Path) -> None:
    async with serving(with_keys(tmp_path)) as server:
        for wanted, name in ((request(5), "search"), (request(40), "small")):
            await server.stub.Rerank(wanted, metadata=shown(name))
        for name in ("small", "narrow"):
            with pytest.raises(grpc.aio.AioRpcError):
                await server.stub.Rerank(request(5), metadata=shown(name))
        with pytest.raises(grpc.aio.AioRpcError):
            await server.stub.Warmup(pb.WarmupRequest(), metadata=shown("search")).read()
        with pytest.raises(grpc.aio.AioRpcError):
            await server.stub.Rerank(request(5), metadata=shown("nobody"))
        body = {"query": "alpha", "documents": ["alpha", "beta"]}
        for name, status in (("search", 200), ("small", 429)):
            answer = await call(server.app.http_port, "/v2/rerank", body, headers=dict(shown(name)))
            assert answer.status == status
        calls = {name: await value(server, "rerankd_key_calls_total", key=name) for name in NAMES}
        assert calls == {"search": 3, "small": 3, "narrow": 1}
        tokens = [await value(server, "rerankd_key_tokens_total", key=name) for name in NAMES]
        assert sum(tokens) == await value(server, "rerankd_tokens_total", model="test/fake")
        assert min(tokens[:2]) > 0 == tokens[2]
        refused = {("small", "QUOTA_EXCEEDED"), ("narrow", "FORBIDDEN"), ("search", "FORBIDDEN")}
        samples = (await families(server))["rerankd_key_refusals"].samples
        assert {(s.labels["key"], s.labels["reason"]) for s in samples if s.value} == refused
        assert {s.labels["key"] for s in samples} == set(NAMES)


async def test_what_a_cancelled_stream_took_is_its_keys(tmp_path: Path) -> None:
    async with serving(with_keys(tmp_path)) as server:
        stream = server.stub.RerankStream(metadata=shown("search"))
        await stream.write(start(emit=pb.STREAM_EMIT_SCORES))
        await stream.write(chunks(10, 10)[0])
        scored = 0
        while scored < 10:
            scored += len((await stream.read()).scores.index)
        assert not await value(server, "rerankd_key_tokens_total", key="search")
        stream.cancel()
        while not await value(server, "rerankd_key_tokens_total", key="search"):
            """Each look lets the server go on."""
        tokens = await value(server, "rerankd_key_tokens_total", key="search")
        assert tokens == await value(server, "rerankd_tokens_total", model="test/fake")


async def test_a_key_that_is_gone_has_no_series(tmp_path: Path) -> None:
    async with serving(with_keys(tmp_path)) as server:
        await server.stub.Rerank(request(1), metadata=shown("search"))
        write_keys(tmp_path / "keys.toml", {"other": None})
        while {"other"} != {
            sample.labels["key"] for sample in (await families(server))["rerankd_key_calls"].samples
        }:
            """Each look lets the server go on."""
        for name in ("rerankd_key_tokens", "rerankd_key_refusals"):
            assert {s.labels["key"] for s in (await families(server))[name].samples} == {"other"}
        page = (await get(f"{server.http_url}/metrics"))[1]
        assert "search" not in page


async def test_without_tls_nothing_expires() -> None:
    async with serving(with_http()) as server:
        for file in ("certificate", "client_ca"):
            assert await value(server, "rerankd_tls_expiry_seconds", file=file) == math.inf


@needs_openssl
async def test_the_end_of_certificates_is_told_and_follows_their_files(tmp_path: Path) -> None:
    from rerankd.access.certificates import CertificateFiles, Certificates
    from rerankd.telemetry.metrics import Metrics

    (tmp_path / "other").mkdir()
    own, clients = Authority(tmp_path, "own", days=30), Authority(tmp_path, "clients", days=5)
    files = CertificateFiles(
        certificate=own.pair.certificate, key=own.pair.key, client_ca=clients.certificate
    )
    certificates = Certificates(files)

    def page() -> str:
        return metrics.render("")[0].decode()

    def days(file: str) -> float:
        line = f'rerankd_tls_expiry_seconds{{file="{file}"}} '
        return float(page().split(line)[1].split("\n")[0]) / 86400

    async with serving(with_http()) as server:
        metrics = Metrics(server.app.engine, tls_seconds_left=certificates.seconds_left)
        assert 29 < days("certificate") <= 30
        assert 4 < days("client_ca") <= 5
        newer = Authority(tmp_path / "other", "own", days=90)
        newer.pair.certificate.replace(own.pair.certificate)
        newer.pair.key.replace(own.pair.key)
        assert certificates.reload()
        assert 89 < days("certificate") <= 90


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
