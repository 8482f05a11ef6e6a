"""Keys over real sockets at both doors: who gets in, what is counted, and that the file may change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.calls import chunks, request, start
from support.fake_backend import FakeBackend
from support.http import Answer, call
from support.servers import FakeServer, fake_config, serving
from support.statuses import failure_of

from rerankd.access.key_file import KeyRecord, digest_of, generate, line_of
from rerankd.access.operations import Operations, Scope, http_operation
from rerankd.client import AsyncClient, ClientOptions, ForbiddenError, UnauthenticatedError
from rerankd.v1 import config_service_pb2, rerank_service_pb2
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.config_service_pb2_grpc import ConfigServiceStub

KEYS = {name: generate() for name in ("search", "operator", "trainer", "narrow", "small", "slim")}
RECORDS: dict[str, dict[str, Any]] = {
    "search": {},
    "operator": {"scopes": (Scope.ADMIN,)},
    "trainer": {"scopes": (Scope.LEARNING,)},
    "narrow": {"models": ("test/other",)},
    "small": {"tokens_per_minute": 60},
    "slim": {"concurrent_tokens": 10},
}


def write_keys(file: Path, names: Mapping[str, Mapping[str, Any]] = RECORDS) -> None:
    lines = [line_of(name, KeyRecord(sha256=digest_of(KEYS[name]), **given)) for name, given in names.items()]
    file.write_text("\n".join(lines))


def header(name: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS.get(name, name)}"} if name else {}


def metadata(name: str | None) -> tuple[tuple[str, str], ...]:
    return tuple(header(name).items())


@asynccontextmanager
async def keyed(
    folder: Path, backend: FakeBackend | None = None, **sections: Any
) -> AsyncIterator[FakeServer]:
    file = folder / "keys.toml"
    if not file.exists():
        write_keys(file)
    auth = {"keys_file": file} | sections.pop("auth", {})
    server = {"reload_seconds": 0.02} | sections.pop("server", {})
    async with serving(
        fake_config(http_enabled=True, auth=auth, server=server, **sections), backend
    ) as running:
        yield running


async def by_http(server: FakeServer, name: str | None, path: str = "/v2/rerank", **body: Any) -> Answer:
    given = {"model": "default", "query": "alpha", "documents": ["alpha one", "two"]} | body
    return await call(server.app.http_port, path, given, headers=header(name))


@pytest.mark.parametrize("name", [None, "never seen", "operator", "trainer"])
async def test_who_may_not_rerank_does_not(tmp_path: Path, name: str | None) -> None:
    reason = "FORBIDDEN" if name in KEYS else "UNAUTHENTICATED"
    async with keyed(tmp_path) as server:
        calls = [
            server.stub.Rerank(request(1), metadata=metadata(name)),
            server.stub.RerankBatch(pb.RerankBatchRequest(requests=[request(1)]), metadata=metadata(name)),
        ]
        for one in calls:
            assert (await failure_of(one)).reason == reason
        # By our client: grpc.aio alone can overwrite the status of a stream that ends while it writes.
        token = KEYS.get(name, name) if name else None
        async with AsyncClient(server.target, ClientOptions(token=token)) as client:
            with pytest.raises((UnauthenticatedError, ForbiddenError)) as caught:
                await client.rerank_stream("alpha", ["alpha one", "two"]).summary()
        assert caught.value.reason == reason
        status = {"FORBIDDEN": 403, "UNAUTHENTICATED": 401}[reason]
        for path in ("/v2/rerank", "/v1/rerank", "/rerank", "/", "/invocations", "/voyage/v1/rerank"):
            assert (await by_http(server, name, path)).status == status
        for path in ("/api/v1/rerank", "/api/v1/rerank/batch", "/api/v1/rerank/stream"):
            assert (await call(server.app.http_port, path, b"{}", headers=header(name))).status == status
        assert not server.backend.batches


async def test_a_refusal_speaks_the_callers_dialect(tmp_path: Path) -> None:
    async with keyed(tmp_path) as server:
        cohere = await by_http(server, None)
        assert (cohere.status, cohere.headers["www-authenticate"]) == (401, "Bearer")
        assert "message" in cohere.json
        native = await call(server.app.http_port, "/api/v1/rerank", {}, headers={})
        assert native.json["error"]["details"][0]["reason"] == "UNAUTHENTICATED"
        jina = await by_http(server, "operator", "/v1/rerank")
        assert "scope rerank" in jina.body.decode()


async def test_keys_of_sdks_work_as_they_send_them(tmp_path: Path) -> None:
    async with keyed(tmp_path) as server:
        for path in ("/v2/rerank", "/v1/rerank", "/voyage/v1/rerank"):
            answer = await by_http(server, "search", path)
            assert answer.status == 200, answer.body
        response = await server.stub.Rerank(request(3), metadata=metadata("search"))
        assert len(response.results) == 3


async def test_administration_is_apart_from_reranking(tmp_path: Path) -> None:
    async with keyed(tmp_path) as server:
        config: Any = ConfigServiceStub(server.channel)
        update = config_service_pb2.UpdateRerankingConfigRequest(
            config=config_service_pb2.RerankingConfig(snippet_chars=9),
            update_mask={"paths": ["snippet_chars"]},
        )
        port = server.app.http_port
        for name in ("search", "trainer"):
            refused = await failure_of(config.UpdateRerankingConfig(update, metadata=metadata(name)))
            assert refused.reason == "FORBIDDEN"
            warmup = server.stub.Warmup(pb.WarmupRequest(), metadata=metadata(name))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await warmup.read()
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            patched = await call(
                port, "/config/reranking", {"snippet_chars": 9}, method="PATCH", headers=header(name)
            )
            assert patched.status == 403
        await config.UpdateRerankingConfig(update, metadata=metadata("operator"))
        patched = await call(
            port, "/config/reranking", {"snippet_chars": 8}, method="PATCH", headers=header("operator")
        )
        assert patched.status == 200
        warm = server.stub.Warmup(pb.WarmupRequest(), metadata=metadata("operator"))
        assert [event async for event in warm][-1].stage == pb.WARMUP_STAGE_DONE
        # Any key may look.
        for name in ("search", "trainer", "operator"):
            await server.stub.Status(pb.StatusRequest(), metadata=metadata(name))
            assert (await call(port, "/config/reranking", headers=header(name))).status == 200


PAGES = ("/health", "/ping", "/metrics", "/openapi.json")


@pytest.mark.parametrize("is_open", [True, False])
async def test_pages_are_open_by_choice(tmp_path: Path, is_open: bool) -> None:
    choice = {"open_health": is_open, "open_metrics": is_open, "open_reflection": is_open}
    async with keyed(tmp_path, auth=choice) as server:
        port = server.app.http_port
        for path in PAGES:
            assert (await call(port, path)).status == (200 if is_open else 401), path
            assert (await call(port, path, headers=header("trainer"))).status == 200
        health = server.channel.unary_unary("/grpc.health.v1.Health/Check")
        if is_open:
            await health(b"")
        else:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health(b"")
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            await health(b"", metadata=metadata("search"))
        for path in ("/v1/models", "/models", "/info", "/api/v1/status", "/config/reranking", "/nowhere"):
            assert (await call(port, path)).status == 401, path


async def test_the_probe_of_the_server_needs_no_key_of_the_file(tmp_path: Path) -> None:
    backend = FakeBackend()
    async with keyed(tmp_path, backend, warmup={"mode": "startup"}) as server:
        await server.app.wait_ready()
        assert backend.scored_pairs >= 2


async def test_a_key_uses_the_models_that_it_names(tmp_path: Path) -> None:
    async with keyed(tmp_path) as server:
        failure = await failure_of(server.stub.Rerank(request(1), metadata=metadata("narrow")))
        assert (failure.code, failure.reason) == ("PERMISSION_DENIED", "FORBIDDEN")
        assert failure.info.metadata == {"key": "narrow", "model": "test/fake"}
        await server.stub.Rerank(request(1, model="test/other"), metadata=metadata("narrow"))
        assert (await by_http(server, "narrow", model="test/another")).status == 403
        assert (await by_http(server, "narrow", model="test/other")).status == 200


async def test_a_used_up_key_hears_when_to_come_back(tmp_path: Path) -> None:
    async with keyed(tmp_path) as server:
        # A first one of any size gets in; it is paid for afterwards.
        await server.stub.Rerank(request(30), metadata=metadata("small"))
        failure = await failure_of(server.stub.Rerank(request(30), metadata=metadata("small")))
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
        assert failure.info.metadata == {"key": "small", "quota": "tokens_per_minute", "limit": "60"}
        assert failure.quota is not None
        assert failure.quota.violations[0].subject == "small"
        assert failure.retry is not None
        assert int(failure.trailers["grpc-retry-pushback-ms"]) > 0
        answer = await by_http(server, "small", documents=["alpha one"] * 30)
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) >= 1
        # Nobody else pays for it.
        await server.stub.Rerank(request(30), metadata=metadata("search"))


async def test_a_key_has_only_so_much_under_way(tmp_path: Path) -> None:
    backend = FakeBackend()
    async with keyed(tmp_path, backend) as server:
        await server.stub.Rerank(request(1), metadata=metadata("slim"))
        backend.gate.clear()
        first = asyncio.create_task(await_(server.stub.Rerank(request(5), metadata=metadata("slim"))))
        await asyncio.to_thread(backend.started.acquire)
        await asyncio.to_thread(backend.started.acquire)
        failure = await failure_of(server.stub.Rerank(request(5), metadata=metadata("slim")))
        assert (failure.reason, failure.info.metadata["quota"]) == ("QUOTA_EXCEEDED", "concurrent_tokens")
        backend.gate.set()
        await first
        await server.stub.Rerank(request(5), metadata=metadata("slim"))


async def await_(one: Any) -> Any:
    return await one


async def test_a_stream_is_slowed_down_and_not_refused(tmp_path: Path) -> None:
    async with keyed(tmp_path) as server:
        stream = server.stub.RerankStream(iter([start(), *chunks(200, 50)]), metadata=metadata("slim"))
        events = [event async for event in stream]
        assert len(events[-1].summary.results) == 200


async def test_a_request_of_a_batch_is_refused_alone(tmp_path: Path) -> None:
    async with keyed(tmp_path) as server:
        batch = pb.RerankBatchRequest(requests=[request(20), request(20)])
        answer = await server.stub.RerankBatch(batch, metadata=metadata("small"))
        assert len(answer.results[0].response.results) == 20
        assert answer.results[1].error.reason == "QUOTA_EXCEEDED"


async def test_fairness_and_the_log_go_by_the_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with keyed(tmp_path) as server:
        await server.stub.Rerank(request(2), metadata=metadata("search"))
        await by_http(server, "search")
        await failure_of(server.stub.Rerank(request(2), metadata=metadata("never seen")))
    lines = [vars(record) for record in caplog.records if record.name == "rerankd.calls"]
    reranked = [line["key"] for line in lines if "ank" in line["method"]]
    assert reranked == ["search", "search", ""]
    assert not any(key in str(lines) for key in KEYS.values())


async def test_the_file_may_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys.toml"
    write_keys(file, {"search": {}})
    async with keyed(tmp_path) as server:
        await server.stub.Rerank(request(1), metadata=metadata("search"))
        assert (await failure_of(server.stub.Rerank(request(1), metadata=metadata("narrow")))).code == (
            "UNAUTHENTICATED"
        )
        write_keys(file, {"narrow": {}})
        async with asyncio.timeout(20):
            while (await by_http(server, "narrow")).status != 200:
                pass
        assert (await by_http(server, "search")).status == 401
        # A file that cannot be used takes no key away.
        file.write_text("keys = [")
        async with asyncio.timeout(20):
            while not [r for r in caplog.records if r.levelname == "ERROR"]:
                await by_http(server, "narrow")
        assert (await by_http(server, "narrow")).status == 200
    assert not any(digest_of(key) in caplog.text for key in KEYS.values())


def test_every_operation_has_a_row() -> None:
    """What was forgotten would be closed to all but administrators; it shall not be forgotten."""
    from rerankd.http_api.routes import application

    table = Operations()
    for file in (rerank_service_pb2, config_service_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                assert table.knows(f"/{service.full_name}/{method.name}"), method.full_name
    assert all(table.knows(f"/grpc.health.v1.Health/{name}") for name in ("Check", "List", "Watch"))
    from support.servers import fake_engine

    from rerankd.http_api.configuration import configuration_routes

    engine = fake_engine(FakeBackend(), fake_config())
    door = application(engine, lambda: "ready", extra_routes=configuration_routes(None))  # type: ignore[arg-type]
    for route in door.routes:
        for method in getattr(route, "methods", None) or ("GET", "POST"):
            operation = http_operation(method, route.path)  # type: ignore[attr-defined]
            assert table.knows(operation), operation
    engine.close()
