"""The example of each client, built from nothing but its folder, ranks against the real server."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Protocol

import grpc
import pytest
from support.languages import Client

from rerankd.v1 import rerank_service_pb2, rerank_service_pb2_grpc

QUERY = "What is the capital of France?"
DOCUMENTS = [
    "Bread rises because yeast makes gas.",
    "Paris is the capital of France.",
    "Two lines\nand an emoji: \N{CROISSANT}",
    "",
]

# A first build downloads and compiles gRPC itself.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Server(Protocol):
    """What the fixture `server` of tests/conftest.py gives."""

    target: str


@dataclass(frozen=True)
class Example:
    """A built example: the command that runs it, without its arguments."""

    command: list[str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Java reads its arguments and writes its output in the encoding of the locale.
        utf8 = os.environ | {"LC_ALL": "C.UTF-8"}
        command = [*self.command, *arguments]
        return subprocess.run(
            command, env=utf8, capture_output=True, encoding="utf-8", timeout=60, check=False
        )


# That of Python is examples/python/unary.py, tested with its client.
each = pytest.mark.parametrize("client", ["go", "java", "typescript"], indirect=True)


@pytest.fixture
def example(client: Client) -> Example:
    return Example(client.plain)


@each
def test_the_example_prints_the_ranking_of_the_server(example: Example, server: Server) -> None:
    request = rerank_service_pb2.RerankRequest(
        query=QUERY, documents=[rerank_service_pb2.Document(text=text) for text in DOCUMENTS]
    )
    with grpc.insecure_channel(server.target) as channel:
        ranking = rerank_service_pb2_grpc.RerankServiceStub(channel).Rerank(request, timeout=30)
    assert sorted(result.index for result in ranking.results) == [0, 1, 2, 3]

    done = example.run(server.target, QUERY, *DOCUMENTS)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(
        f"{result.rank}. {result.score:.4f} {DOCUMENTS[result.index]}\n" for result in ranking.results
    )


@each
def test_the_example_tells_the_reason_of_a_failure(example: Example, server: Server) -> None:
    done = example.run(server.target, "", *DOCUMENTS)

    assert done.returncode == 1
    assert "INVALID_REQUEST" in done.stderr
    assert done.stdout == ""


@each
def test_the_example_ends_when_no_server_is_reached(example: Example) -> None:
    # Port 1 of the loopback address needs root to be listened on, and nothing does.
    done = example.run("127.0.0.1:1", QUERY, *DOCUMENTS)

    assert done.returncode == 1
    assert "unavailable" in done.stderr.lower()
