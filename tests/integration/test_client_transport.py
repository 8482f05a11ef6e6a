"""What travels beside the messages of the client: retries, deadlines, keys, certificates."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from rerankd.client import (
    AsyncClient,
    Client,
    ClientOptions,
    RerankdError,
    RerankResponse,
    ScoreChunk,
    StatusResponse,
    TLSConfig,
)
from rerankd.v1.rerank_service_pb2 import RerankStreamResponse
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceServicer, add_RerankServiceServicer_to_server


class Scripted(RerankServiceServicer):
    """Fails a number of calls as an overloaded server does, and remembers what came with each call."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.metadata: list[dict[str, Any]] = []
        self.remaining: list[float] = []

    def Rerank(self, request: object, context: grpc.ServicerContext) -> RerankResponse:
        self.metadata.append(dict(context.invocation_metadata()))
        self.remaining.append(context.time_remaining())
        if len(self.metadata) <= self.failures:
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        return RerankResponse(outcome_reason="answered")

    def Status(self, request: object, context: grpc.ServicerContext) -> StatusResponse:
        return StatusResponse()

    def RerankStream(
        self, messages: Iterator[object], context: grpc.ServicerContext
    ) -> Iterator[RerankStreamResponse]:
        """Answers before it has read more than the first documents, as with on_deadline=PARTIAL."""
        next(messages)
        next(messages)
        yield RerankStreamResponse(scores=ScoreChunk(index=[0], score=[0.5]))
        yield RerankStreamResponse(summary=RerankResponse(outcome_reason="answered"))


@contextmanager
def scripted_server(service: Scripted, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        add_RerankServiceServicer_to_server(service, server)
        address = "localhost:0"
        port = (
            server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        )
        server.start()
        yield f"localhost:{port}"
        server.stop(0).wait()


async def answers(target: str, options: ClientOptions, timeout_seconds: float | None = None) -> list[str]:
    """What both clients get from a scripted server."""

    def synchronous() -> str:
        with Client(target, options) as client:
            return client.rerank("q", ["a"], timeout_seconds=timeout_seconds).outcome_reason

    async with AsyncClient(target, options) as client:
        answer = await client.rerank("q", ["a"], timeout_seconds=timeout_seconds)
        return [await asyncio.to_thread(synchronous), answer.outcome_reason]


def test_a_call_that_meets_a_busy_server_is_tried_again() -> None:
    service = Scripted(failures=2)
    with scripted_server(service) as target, Client(target) as client:
        assert client.rerank("q", ["a"]).outcome_reason == "answered"
    assert len(service.metadata) == 3


async def test_an_answer_that_comes_before_everything_is_sent_is_not_lost() -> None:
    with scripted_server(Scripted()) as target, Client(target) as client:
        async with AsyncClient(target) as aclient:
            # Again and again: whether a write is under way when the call ends is a matter of luck.
            for _ in range(20):
                with client.rerank_stream("q", itertools.repeat("a"), emit="scores") as stream:
                    (event,) = await asyncio.to_thread(list, stream)
                    assert stream.summary().outcome_reason == "answered"
                async with aclient.rerank_stream("q", itertools.repeat("a"), emit="scores") as astream:
                    assert [aevent async for aevent in astream] == [event]
                    assert (await astream.summary()).outcome_reason == "answered"


async def test_token_metadata_and_deadline_travel_with_each_call() -> None:
    service = Scripted()
    options = ClientOptions(token="s3cret", metadata={"x-request-id": "7"}, timeout_seconds=20)
    with scripted_server(service) as target:
        await answers(target, options)
        # Longer than the timeout of the service config, which must not cap it.
        await answers(target, options, timeout_seconds=100)
    for metadata in service.metadata:
        assert (metadata["authorization"], metadata["x-request-id"]) == ("Bearer s3cret", "7")
        assert metadata["user-agent"].startswith("rerankd-python/")
    assert all(10 < seconds <= 21 for seconds in service.remaining[:2])
    assert all(90 < seconds <= 101 for seconds in service.remaining[2:])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_tls_in_both_directions(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key}"
    more = f"-out {certificate} -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), *more.split()], check=True, capture_output=True)
    pair = (key.read_bytes(), certificate.read_bytes())
    ours = TLSConfig(root_certificates=pair[1], client_private_key=pair[0], client_certificate=pair[1])
    credentials = grpc.ssl_server_credentials([pair], root_certificates=pair[1], require_client_auth=True)
    with scripted_server(Scripted(), credentials) as target:
        assert await answers(target, ClientOptions(tls=ours)) == ["answered", "answered"]
        stranger = ClientOptions(tls=TLSConfig(root_certificates=pair[1]), timeout_seconds=5)
        with pytest.raises(RerankdError):
            await answers(target, stranger)
