"""A server in a process of its own whose models are a provider's: what callers see, and what nobody may."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import pytest
from support.providers import KEY, FakeProvider, Fault, score_of
from support.servers import ServerProcess, channel_to
from support.statuses import failure_of

from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

QUERY = "how do plants make food"
DOCUMENTS = [f"document {number:04d} about leaves" for number in range(1001)]
MODEL = "cohere/rerank-v3.5"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    # The most that the libraries under it could be asked to log.
    monkeypatch.setenv("RUST_LOG", "trace")


@pytest.fixture
def cohere() -> Iterator[FakeProvider]:
    with FakeProvider("cohere").running() as provider:
        yield provider


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server; once it is left, `log` is all that it wrote."""

    process: ServerProcess
    stub: Any

    @property
    def log(self) -> str:
        return "".join(self.process.log)


@asynccontextmanager
async def serving(provider: FakeProvider, **flags: object) -> AsyncIterator[Server]:
    process = ServerProcess(
        {
            "log.level": "debug",
            "warmup.mode": "lazy",
            "reranking.mode": "cloud",
            "limits.max_documents": 2000,
            "cloud.retries": 0,
            "cloud.circuit_failures": 2,
            "cloud.cohere.base_url": provider.base_url,
            "cloud.cohere.unit_price_usd": 0.002,
            **flags,
        }
    )
    try:
        async with channel_to(process.target) as channel:
            yield Server(process=process, stub=RerankServiceStub(channel))
    finally:
        code = process.stop()
    assert code == 0


def request(texts: list[str], **options: Any) -> pb.RerankRequest:
    documents = [pb.Document(text=text) for text in texts]
    return pb.RerankRequest(query=QUERY, documents=documents, options=pb.RerankOptions(**options))


async def test_a_thousand_and_one_documents_are_split_merged_and_billed(cohere: FakeProvider) -> None:
    async with serving(cohere) as server:
        reply = await server.stub.Rerank(request(DOCUMENTS))
    assert sorted(len(call.documents) for call in cohere.calls) == [500, 501]
    expected = sorted(((score_of(QUERY, text), index) for index, text in enumerate(DOCUMENTS)), reverse=True)
    assert [result.index for result in reply.results] == [index for _, index in expected]
    scores = [score for score, _ in expected]
    assert [result.score for result in reply.results] == pytest.approx(scores, abs=1e-6)
    assert reply.model.id == MODEL
    assert reply.outcome == pb.OUTCOME_RERANKED
    assert reply.usage.provider_units == 11
    assert not reply.usage.provider_units_estimated
    assert reply.usage.provider_cost == pytest.approx(0.022)


async def test_a_provider_that_is_down_is_told_and_left_alone(cohere: FakeProvider) -> None:
    cohere.standing_fault = Fault(status=503)
    async with serving(cohere) as server:
        for words in ("HTTP 503", "HTTP 503", "left alone"):
            failure = await failure_of(server.stub.Rerank(request(DOCUMENTS[:3])))
            assert (failure.code, failure.reason) == ("UNAVAILABLE", "PROVIDER_UNAVAILABLE")
            assert words in failure.message
        forgiving = request(DOCUMENTS[:3], on_failure=pb.FAILURE_MODE_ORIGINAL_ORDER)
        reply = await server.stub.Rerank(forgiving)
    assert len(cohere.calls) == 2
    assert reply.outcome == pb.OUTCOME_PASSTHROUGH
    assert reply.outcome_reason.startswith("PROVIDER_UNAVAILABLE")
    assert [result.index for result in reply.results] == [0, 1, 2]


async def test_another_model_stands_in(cohere: FakeProvider) -> None:
    cohere.standing_fault = Fault(status=503)
    async with serving(cohere, **{"reranking.fallback_models": ("none",)}) as server:
        reply = await server.stub.Rerank(request(DOCUMENTS[:3]))
    assert reply.model.id == "none"
    assert "PROVIDER_UNAVAILABLE" in reply.outcome_reason


async def test_keys_and_texts_are_nowhere_to_be_read(cohere: FakeProvider) -> None:
    """At debug level, over successes and every kind of failure, in logs, errors, metrics and Status."""
    secret = "zebra-crossing-document"
    cohere.faults.extend(
        [
            None,
            *(Fault(status=status) for status in (400, 401, 404, 429, 503)),
            Fault(status=401, body=f'{{"message": "bad key {KEY}"}}'.encode()),
            Fault(status=422, body=f'{{"detail": [{{"input": "{secret}"}}]}}'.encode()),
            Fault(status=500, body=f"<html>{KEY} {secret}</html>".encode()),
            Fault(body=f"{KEY} {secret}".encode()),
            Fault(results=[]),
            Fault(drop=True),
        ]
    )
    faults = len(cohere.faults)
    seen = []
    async with serving(cohere, **{"cloud.circuit_failures": 100}) as server:
        for _ in range(faults):
            try:
                await server.stub.Rerank(request([secret, "another"], model=MODEL))
            except grpc.aio.AioRpcError as error:
                seen.append(f"{error!r} {error.trailing_metadata()} {error.debug_error_string()}")
        assert len(seen) == faults - 1
        seen.append(str(await server.stub.Status(pb.StatusRequest())))
        with urllib.request.urlopen(f"{server.process.http_url}/metrics", timeout=30) as page:
            seen.append(page.read().decode())
    assert {call.authorization for call in cohere.calls} == {f"Bearer {KEY}"}
    assert server.log.count("provider refused or failed") == 10
    # What is a sentence of the provider's is there, without the key.
    assert "bad key" in server.log
    for text in (server.log, *seen):
        assert KEY not in text
        assert secret not in text


async def test_a_server_goes_down_cleanly_right_after_many_calls(cohere: FakeProvider) -> None:
    async with serving(cohere, **{"cloud.cohere.max_documents": 5}) as server:
        await server.stub.Rerank(request(DOCUMENTS[:400]))
    assert len(cohere.calls) == 80
    assert "Traceback" not in server.log


_CALL_AND_EXIT = """
import asyncio, sys
from rerankd.backends.base import TextCall
from rerankd.backends.cloud import CloudModels, CloudSettings, ProviderSettings

async def main():
    cohere = ProviderSettings(base_url=sys.argv[1], max_documents=1)
    models = CloudModels(CloudSettings(max_concurrency=50, cohere=cohere))
    backend = models.load("cohere/rerank-v3.5", lambda *_: None)
    texts = [str(number) for number in range(50)]
    await backend.score(TextCall(query="q", texts=texts, timeout_seconds=30.0))
    await backend.close()

asyncio.run(main())
"""


def test_a_process_may_end_right_after_its_calls(cohere: FakeProvider) -> None:
    """Without the wait in `close`, threads of liter-llm abort about one process in ten."""
    commands = [[sys.executable, "-c", _CALL_AND_EXIT, cohere.base_url]] * 8
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=60) for process in processes] == [0] * 8
