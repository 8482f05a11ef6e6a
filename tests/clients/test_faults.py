"""What the clients make of servers that die and restart: nothing lost, nothing doubled, no failed call."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from probes import Probe
from support.languages import Client
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess, free_port

from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

QUERY = "red river stone"
COUNT = 50_000
KILLED_AT = 20_000
MIB = 1024 * 1024

# Of a stream's window: texts of a few hundred bytes, as objects and as messages on their way.
CLIENT_MIB = {"python": 4, "go": 4, "java": 6, "typescript": 8}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def serve(port: int = 0) -> ServerProcess:
    flags = {"http_enabled": False, "warmup.mode": "lazy", "grpc_port": port, "log.level": "debug"}
    return ServerProcess(flags, program=FAKE_MODEL_PROGRAM)


def port_of(server: ServerProcess) -> int:
    return int(server.target.rpartition(":")[2])


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50,000 documents of about 300 bytes; many of them have equal scores."""
    words = ("red", "river", "stone", "light", "salt")
    path = tmp_path_factory.mktemp("documents") / "documents.jsonl"
    with path.open("w", encoding="utf-8") as lines:
        for i in range(COUNT):
            filler = " ".join(f"word{(i * 7 + k) % 1000}" for k in range(30 + i % 7))
            text = " ".join(words[(i // 5**k) % 5] for k in range(4)) + f" {i} {filler}"
            lines.write(json.dumps({"id": f"d{i}", "text": text}) + "\n")
    return path


@pytest.fixture(scope="module")
def uninterrupted(documents: Path) -> list[list[object]]:
    """The whole ranking, by the server itself, asked with nothing but stubs."""
    server = serve()

    def messages() -> object:
        yield pb.RerankStreamRequest(start=pb.RerankStreamStart(query=QUERY))
        with documents.open(encoding="utf-8") as lines:
            for line in lines:
                chunk = pb.DocumentChunk(documents=[pb.Document(**json.loads(line))])
                yield pb.RerankStreamRequest(documents=chunk)

    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.target, options) as channel:
        (answer,) = RerankServiceStub(channel).RerankStream(messages())
    assert server.stop() == 0
    return [[r.index, r.id, r.score, r.rank] for r in answer.summary.results]


def rows(results: Sequence[Sequence[object]]) -> list[list[object]]:
    """Scores as text of six digits: languages print floats differently."""
    return [[index, name, f"{score:.6f}", rank] for index, name, score, rank in results]


@pytest.mark.parametrize("top_n", [100, 0])
def test_a_stream_survives_the_death_of_its_server(
    client: Client, documents: Path, uninterrupted: list[list[object]], top_n: int
) -> None:
    server = serve()
    with Probe(client.probe, "stream", server.target, QUERY, str(documents), str(top_n)) as probe:
        probe.wait_for("scored", KILLED_AT)
        server.send_signal(signal.SIGKILL)
        server.wait()
        server = serve(port_of(server))
        told = probe.finish()
    assert server.stop() == 0
    assert told["resumes"] >= 1
    assert told["outcome"] == "RERANKED"
    assert told["scored_documents"] == COUNT
    assert rows(told["results"]) == rows(uninterrupted[: top_n or COUNT])
    peak = told["peak_bytes"] / MIB
    print(f"{client.name}: {COUNT} documents, top_n {top_n}, {told['resumes']} resumes, {peak:.1f} MiB")
    if top_n:
        assert peak <= CLIENT_MIB[client.name]


def test_a_rolling_restart_fails_no_call(client: Client, documents: Path) -> None:
    servers = [serve(free_port()), serve(free_port())]
    target = "ipv4:" + ",".join(server.target for server in servers)
    with Probe(client.probe, "load", target, QUERY, str(documents), "8") as probe:
        calls = probe.wait_for("calls", 200)
        for number, server in enumerate(servers):
            server.send_signal(signal.SIGTERM)
            assert server.wait() == 0
            calls = probe.wait_for("calls", calls + 200)
            servers[number] = serve(port_of(server))
            # As any roll-out does: the next one only goes when this one is back and takes its share.
            for _ in range(50):
                servers[number].wait_for("call")
            calls = probe.wait_for("calls", calls + 200)
        told = probe.finish()
    for server in servers:
        assert server.stop() == 0
    print(f"{client.name}: {told['calls']} calls over two restarts, {told['failed']} failed")
    assert told["failed"] == 0, told["errors"]
    assert told["calls"] >= 1000
