"""The example of each client, built from nothing but its folder, ranks against the real server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc
import pytest

from rerankd.v1 import rerank_service_pb2, rerank_service_pb2_grpc

CLIENTS = Path(__file__).resolve().parents[2] / "clients"

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


def build(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"


def build_go(folder: Path) -> Example:
    program = str(folder / "plain")
    build("go", "vet", "./...", cwd=CLIENTS / "go")
    build("go", "build", "-o", program, "./examples/plain", cwd=CLIENTS / "go")
    return Example([program])


def build_java(folder: Path) -> Example:
    java = CLIENTS / "java"
    jars = folder / "classpath.txt"
    build(
        *("mvn", "-q", "-B", "test", "dependency:build-classpath"),
        *("-Dmdep.includeScope=test", f"-Dmdep.outputFile={jars}"),
        cwd=java,
    )
    classes = [str(java / "target" / "classes"), str(java / "target" / "test-classes"), jars.read_text()]
    classpath = os.pathsep.join(classes)
    return Example(["java", "-cp", classpath, "io.rerankd.examples.PlainExample"])


def build_typescript(_folder: Path) -> Example:
    typescript = CLIENTS / "typescript"
    lock, installed = typescript / "package-lock.json", typescript / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        build("npm", "ci", "--no-audit", "--no-fund", cwd=typescript)
    build("npm", "run", "build", cwd=typescript)
    build("npm", "run", "check", cwd=typescript)
    return Example(["node", str(typescript / "examples" / "plain.mjs")])


LANGUAGES: dict[str, tuple[Callable[[Path], Example], tuple[str, ...]]] = {
    "go": (build_go, ("go",)),
    "java": (build_java, ("mvn", "java", "javac")),
    "typescript": (build_typescript, ("npm", "node")),
}


@pytest.fixture(scope="module", params=LANGUAGES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Example:
    builder, programs = LANGUAGES[request.param]
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        message = f"{' and '.join(missing)} not found on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{message}; with CI=true no client goes untested")
        pytest.skip(message)
    return builder(tmp_path_factory.mktemp(request.param))


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


def test_the_example_tells_the_reason_of_a_failure(example: Example, server: Server) -> None:
    done = example.run(server.target, "", *DOCUMENTS)

    assert done.returncode == 1
    assert "INVALID_REQUEST" in done.stderr
    assert done.stdout == ""


def test_the_example_ends_when_no_server_is_reached(example: Example) -> None:
    # Port 1 of the loopback address needs root to be listened on, and nothing does.
    done = example.run("127.0.0.1:1", QUERY, *DOCUMENTS)

    assert done.returncode == 1
    assert "unavailable" in done.stderr.lower()
