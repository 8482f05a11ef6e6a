"""Tools that operators have already, as docs/operations.md calls them: health probe, grpcurl, ghz."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from support.go_tools import program
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess

SERVICE = "rerankd.v1.RerankService"
REQUEST = {
    "query": "red river",
    "documents": [{"id": "a", "text": "salt"}, {"id": "b", "text": "red river stone"}],
}

# Building one from nothing takes minutes on a small machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    server = ServerProcess({"http_enabled": False, "warmup.mode": "lazy"}, program=FAKE_MODEL_PROGRAM)
    yield server
    assert server.stop() == 0


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(program(name)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def grpcurl(*arguments: str) -> str:
    done = run("grpcurl", "-plaintext", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("service", ["", SERVICE])
def test_the_health_probe_finds_the_server_serving(server: ServerProcess, service: str) -> None:
    done = run("grpc-health-probe", f"-addr={server.target}", f"-service={service}")
    assert done.returncode == 0, done.stderr
    assert "SERVING" in done.stdout + done.stderr


def test_the_health_probe_tells_what_is_not_there(server: ServerProcess) -> None:
    assert run("grpc-health-probe", f"-addr={server.target}", "-service=nowhere").returncode != 0
    assert run("grpc-health-probe", "-addr=127.0.0.1:1", "-connect-timeout=2s").returncode == 2


def test_grpcurl_lists_and_describes(server: ServerProcess) -> None:
    listed = grpcurl(server.target, "list").split()
    assert {SERVICE, "rerankd.v1.ConfigService", "grpc.health.v1.Health"} <= set(listed)
    methods = {line.rpartition(".")[2] for line in grpcurl(server.target, "list", SERVICE).split()}
    assert methods == {"Rerank", "RerankStream", "RerankBatch", "Status", "Warmup"}
    described = grpcurl(server.target, "describe", "rerankd.v1.RerankRequest")
    assert "string query" in described
    assert "repeated .rerankd.v1.Document documents" in described


def test_grpcurl_ranks_and_asks_for_the_status(server: ServerProcess) -> None:
    told: dict[str, Any] = json.loads(grpcurl("-d", json.dumps(REQUEST), server.target, f"{SERVICE}/Rerank"))
    assert [result["id"] for result in told["results"]] == ["b", "a"]
    status = json.loads(grpcurl(server.target, f"{SERVICE}/Status"))
    assert status["models"][0]["state"] == "MODEL_STATE_ACTIVE"


def test_grpcurl_shows_an_error_with_its_details(server: ServerProcess) -> None:
    done = run("grpcurl", "-plaintext", "-d", '{"query": ""}', server.target, f"{SERVICE}/Rerank")
    assert done.returncode != 0
    assert "InvalidArgument" in done.stderr
    assert "INVALID_REQUEST" in done.stderr


def test_ghz_finds_no_failed_call(server: ServerProcess) -> None:
    done = run(
        "ghz", "--insecure", "--call", f"{SERVICE}/Rerank", "--data", json.dumps(REQUEST),
        "--total", "500", "--concurrency", "8", "--format", "json", server.target,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["count"] == 500
    assert report["statusCodeDistribution"] == {"OK": 500}
    p99_ms = report["latencyDistribution"][-1]["latency"] / 1e6
    print(f"ghz: {report['rps']:.0f} calls a second, p99 {p99_ms:.1f} ms")
