"""The server as a whole, on a real socket: start, health, reflection, HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from support.calls import (
    NOT_SERVING,
    SERVICE,
    SERVING,
    GatedLoader,
    check,
    gated,
    get,
    request,
    watch,
)
from support.fake_backend import FakeCatalogue
from support.servers import FakeServer, ServerProcess, channel_to, fake_config, serving
from support.statuses import failure_of

import rerankd
from rerankd.app import Application
from rerankd.assembly import StartupError, build_engine
from rerankd.core.errors import ModelFailedError
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub


async def test_startup_mode_is_ready_only_when_the_model_is_warm() -> None:
    loader = GatedLoader()
    async with gated(loader, warmup={"mode": "startup"}, http_enabled=True) as server:
        assert await check(server, "") == SERVING
        assert await check(server, SERVICE) == NOT_SERVING
        assert await check(server, "rerankd.model/test/fake") == NOT_SERVING
        assert await check(server, "rerankd.model/default") == NOT_SERVING
        status, body, _ = await get(f"{server.http_url}/health")
        assert (status, body["state"]) == (503, "starting")
        assert (await get(f"{server.http_url}/health?live=1"))[0] == 200
        watching = watch(server, SERVICE)
        assert (await watching.read()).status == NOT_SERVING
        loader.gate.set()
        assert (await watching.read()).status == SERVING
        await server.app.wait_ready()
        assert await check(server, "rerankd.model/test/fake") == SERVING
        assert await check(server, "rerankd.model/default") == SERVING
        status, body, _ = await get(f"{server.http_url}/health")
        assert (status, body) == (200, {"state": "ready", "models": {"test/fake": "active"}})
        watching.cancel()
    # The probe went through the port: its two documents reached the model.
    assert loader.backend.scored_pairs == 2


async def test_an_unknown_health_name_is_not_found_and_watched_until_it_is_known(
    fake_server: FakeServer,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(fake_server, "rerankd.model/nobody")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watching = watch(fake_server, "rerankd.model/test/other")
    assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    await fake_server.stub.Rerank(request(model="test/other"))
    seen = [(await watching.read()).status]
    while seen[-1] != SERVING:
        seen.append((await watching.read()).status)
    assert seen in ([SERVING], [NOT_SERVING, SERVING])
    watching.cancel()


async def test_startup_ends_when_a_model_cannot_be_loaded() -> None:
    loader = GatedLoader(failure=ModelFailedError("the graph has no output"))
    loader.gate.set()
    config = fake_config(warmup={"mode": "startup"})
    app = Application(config, build_engine(config, catalogue=FakeCatalogue(), loader=loader))
    with pytest.raises(StartupError, match="MODEL_FAILED: the graph has no output"):
        await app.serve()


async def test_lazy_mode_is_ready_at_once_and_loads_at_the_first_request() -> None:
    loader = GatedLoader()
    async with gated(loader) as server:
        await server.app.wait_ready()
        assert await check(server, SERVICE) == SERVING
        assert loader.loads == 0
        failure = await failure_of(server.stub.Rerank(request(), timeout=0.5))
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "MODEL_LOADING")
        assert failure.retry is not None
        loader.gate.set()
        assert len((await server.stub.Rerank(request())).results) == 3
        assert loader.loads == 1


async def test_none_mode_loads_only_by_warmup() -> None:
    loader = GatedLoader()
    loader.gate.set()
    async with gated(loader, warmup={"mode": "none"}) as server:
        assert await check(server, SERVICE) == SERVING
        failure = await failure_of(server.stub.Rerank(request()))
        assert (failure.reason, loader.loads) == ("MODEL_LOADING", 0)
        assert [m.stage async for m in server.stub.Warmup(pb.WarmupRequest())][-1] == pb.WARMUP_STAGE_DONE
        assert len((await server.stub.Rerank(request())).results) == 3


async def test_two_hundred_first_calls_load_once_and_all_succeed() -> None:
    loader = GatedLoader()
    async with gated(loader) as server:
        calls = [asyncio.ensure_future(server.stub.Rerank(request(2))) for _ in range(200)]
        loader.gate.set()
        responses = await asyncio.gather(*calls)
    assert loader.loads == 1
    assert {len(response.results) for response in responses} == {2}


async def test_a_port_in_use_is_told_at_start(fake_server: FakeServer) -> None:
    with pytest.raises(StartupError, match=r"cannot listen on 127.0.0.1:\d+: it is in use"):
        async with serving(fake_config(grpc_port=fake_server.app.grpc_port)):
            pass


async def test_http_tells_metrics_and_json_errors() -> None:
    async with serving(fake_config(http_enabled=True)) as server:
        await server.stub.Rerank(request())
        status, page, kind = await get(f"{server.http_url}/metrics")
        assert status == 200
        assert kind.startswith("text/plain")
        assert "rerankd_queue_documents 0.0" in page
        assert "rerankd_queue_tokens 0.0" in page
        assert 'rerankd_model_state{model="test/fake",state="active"} 1.0' in page
        assert 'rerankd_model_state{model="test/fake",state="failed"} 0.0' in page
        assert f'rerankd_build_info{{version="{rerankd.__version__}"}} 1.0' in page
        assert "process_resident_memory_bytes" in page
        assert await get(f"{server.http_url}/health/live") == (
            200,
            {"state": "live", "version": rerankd.__version__},
            "application/json",
        )
        status, body, _ = await get(f"{server.http_url}/nothing")
        assert (status, body["error"]["reason"]) == (404, "NOT_FOUND")


async def test_the_bundled_model_ranks(server: ServerProcess) -> None:
    async with channel_to(server.target) as channel:
        stub: Any = RerankServiceStub(channel)
        response = await stub.Rerank(
            pb.RerankRequest(
                query="What is the capital of France?",
                documents=[
                    pb.Document(text="Bananas grow in the tropics."),
                    pb.Document(text="Paris is the capital of France."),
                ],
            )
        )
    assert [result.index for result in response.results] == [1, 0]
    status, body, _ = await get(f"{server.http_url}/health")
    assert (status, body["state"]) == (200, "ready")
