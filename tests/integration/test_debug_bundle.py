"""`rerankd debug-bundle` at a real process: what is in it, what never is, and its threads."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_backend import RAISE_WORD
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess
from test_cli import rerankd

from rerankd.client import Client, RerankdError

ADMIN = "correct-horse-battery"
HUB = "hf_staple"
PASSWORD = "sesame-open"
QUERY, DOCUMENT = "quagga stripes", "platypus of the river"
SECRETS = (ADMIN, HUB, PASSWORD, "quagga", "stripes", "platypus")

FILES = {
    "about.json",
    "packages.txt",
    "config.json",
    "status.json",
    "metrics.txt",
    "threads.txt",
    "tasks.txt",
    "log.jsonl",
}

OURS = re.compile(r"MainThread|infer-\d+-.+|tokenize_\d+|background_\d+|load-.+|reranker-.+|Otel.+")
FOREIGN = re.compile(r".*\(_poll_wrapper\)|not of Python")
"""Threads that gRPC makes for itself, and names."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    flags = {
        "admin.token": ADMIN,
        "models.hub_token": HUB,
        "log.level": "debug",
        "warmup.mode": "lazy",
        "plugins.remotes": {"elsewhere": {"url": "https://example.invalid/rerank", "token": PASSWORD}},
    }
    process = ServerProcess(flags, program=FAKE_MODEL_PROGRAM)
    with Client(process.target) as client:
        client.rerank(QUERY, [DOCUMENT, "another"])
        for bad in ([f"{DOCUMENT} {RAISE_WORD}"], [DOCUMENT * 20_000]):
            with pytest.raises(RerankdError):
                client.rerank(QUERY, bad)
    yield process
    process.stop()


@pytest.fixture(scope="module")
def bundle(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("bundle") / "state.tar.gz"
    environment = {"RERANKD_ADMIN__TOKEN": ADMIN}
    done = rerankd("debug-bundle", "--http", server.http_url, "-o", str(path), environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
    assert path.stat().st_mode & 0o777 == 0o600
    return contents(path.read_bytes())


def contents(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {
            Path(member.name).name: file.read().decode()
            for member in opened
            if (file := opened.extractfile(member)) is not None
        }


def test_it_holds_what_a_colleague_asks_for_first(bundle: dict[str, str]) -> None:
    assert set(bundle) == FILES
    about = json.loads(bundle["about.json"])
    assert about["rerankd"]
    assert "grpcio==" in bundle["packages.txt"]
    config = {row["key"]: row for row in json.loads(bundle["config.json"])}
    assert config["log.level"]["value"] == "debug"
    assert config["admin.token"]["value"] == "**********"
    assert json.loads(bundle["status.json"])["defaultModel"] == "test/fake"
    assert 'grpc_code="OK"' in bundle["metrics.txt"]
    assert "run_forever" in bundle["threads.txt"]
    assert "Task http" in bundle["tasks.txt"]


def test_the_last_log_lines_are_in_it(bundle: dict[str, str]) -> None:
    lines = [json.loads(line) for line in bundle["log.jsonl"].splitlines()]
    assert {"serving", "call"} <= {line["event"] for line in lines}
    failed = [line for line in lines if line["event"] == "call" and line["code"] == "INTERNAL"]
    assert failed[0]["reason"] == "BACKEND_FAILED"


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_and_no_text_is_in_it(bundle: dict[str, str], secret: str) -> None:
    assert not [name for name, text in bundle.items() if secret in text]


def test_every_thread_has_a_name_that_says_what_it_does(bundle: dict[str, str]) -> None:
    names = [
        line.removeprefix("Thread ").removesuffix(" daemon")
        for line in bundle["threads.txt"].splitlines()
        if line.startswith("Thread ")
    ]
    assert "MainThread" in names
    assert any(name.startswith("infer-0-test/fake") for name in names)
    assert any(name.startswith("tokenize_") for name in names)
    assert not [name for name in names if not (OURS.fullmatch(name) or FOREIGN.fullmatch(name))]


def test_to_a_pipe_it_goes_as_it_is(server: ServerProcess) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "rerankd", "debug-bundle", "--http", server.http_url, "-o", "-"],
        env={"RERANKD_ADMIN__TOKEN": ADMIN, "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert set(contents(done.stdout)) == FILES


def test_only_the_admin_gets_it(server: ServerProcess) -> None:
    wrong = rerankd("debug-bundle", "--http", server.http_url, environment={"RERANKD_ADMIN__TOKEN": "guess"})
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("rerankd: UNAUTHENTICATED: ")
    none = rerankd("debug-bundle", "--http", server.http_url)
    assert "RERANKD_ADMIN__TOKEN is not set" in none.stderr
    away = rerankd("debug-bundle", "--http", "127.0.0.1:1", environment={"RERANKD_ADMIN__TOKEN": ADMIN})
    assert "is a server running there?" in away.stderr
