"""A process that is told by SIGHUP, keeps changes over restarts, and refuses a damaged state file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.providers import KEY, FakeProvider
from support.servers import FakeServer, ServerProcess

TOKEN = "correct horse battery staple"

# The command itself, so that what it was started with is what it reads again.
COMMAND = """
import json, sys
from rerankd.cli import main
flags = json.loads(sys.argv[1])
file = flags.pop("config_file")
sets = [word for key, value in flags.items() for word in ("--set", f"{key}={value}")]
sys.argv = ["rerankd", "serve", "--config", file, *sets]
main()
"""


@contextmanager
def serving(file: Path, **flags: object) -> Iterator[ServerProcess]:
    process = ServerProcess({"config_file": str(file), "warmup.mode": "lazy", **flags}, program=COMMAND)
    try:
        yield process
    finally:
        assert process.stop() == 0


def reranking(process: ServerProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"{process.http_url}/config/reranking", timeout=30) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def send(process: ServerProcess, path: str, body: object, *, method: str = "POST") -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{process.http_url}{path}",
        json.dumps(body).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def patch(process: ServerProcess, body: object, query: str = "") -> tuple[int, Any]:
    return send(process, f"/config/reranking{query}", body, method="PATCH")


def rerank(process: ServerProcess) -> dict[str, Any]:
    body = {
        "query": "blood pressure",
        "documents": [{"text": f"salt raises blood pressure {n}"} for n in range(4)],
    }
    status, answer = send(process, "/api/v1/rerank", body)
    assert status == 200, answer
    ranking: dict[str, Any] = answer
    return ranking


def test_sighup_reads_the_file_again(tmp_path: Path) -> None:
    file = tmp_path / "rerankd.toml"
    file.write_text('[reranking]\nmode = "none"\nsnippet_chars = 7\n')
    with serving(file, **{"reranking.snippet_chars": 9}) as process:
        assert reranking(process)["default_model"] == "none"
        file.write_text(
            '[reranking]\nmode = "local"\nmax_scored_documents = 50\n[limits]\nmax_documents = 3\n'
        )
        process.send_signal(signal.SIGHUP)
        change = process.wait_for("reranking configuration changed")
        assert (change["actor"], change["persisted"], change["generation"]) == ("SIGHUP", False, 1)
        assert change["changes"] == {
            "mode": {"old": "none", "new": "local"},
            "max_scored_documents": {"old": 0, "new": 50},
        }
        assert (
            process.wait_for("a changed setting holds only after a restart")["key"] == "limits.max_documents"
        )
        told = reranking(process)
        assert (told["reranking"]["mode"], told["generation"]) == ("local", 1)
        assert told["reranking"]["snippet_chars"] == 9, "a flag still wins"

        file.write_text('[reranking]\nmode = "off"\nmod = 1\n')
        process.send_signal(signal.SIGHUP)
        problems = [process.wait_for("configuration not reloaded")["problem"] for _ in range(2)]
        assert any(problem.startswith("reranking.mod: no such setting") for problem in problems)
        assert any(problem.startswith("reranking.mode: should be") for problem in problems)
        assert reranking(process) == told


def test_what_was_kept_wins_after_a_restart_and_is_shown(tmp_path: Path) -> None:
    file, state = tmp_path / "rerankd.toml", tmp_path / "state.json"
    file.write_text(f'[reranking]\nsnippet_chars = 7\n[admin]\nstate_file = "{state}"\ntoken = "{TOKEN}"\n')
    with serving(file) as process:
        assert patch(process, {"mode": "none", "snippet_chars": 8}, "?persist=true")[0] == 200
        assert patch(process, {"cloud_top_n": 5})[0] == 200
    assert TOKEN not in "".join(process.log)
    with serving(file) as process:
        told = reranking(process)["reranking"]
        assert (told["mode"], told["snippet_chars"], told["cloud_top_n"]) == ("none", 8, 0)
        state.unlink()
        process.send_signal(signal.SIGHUP)
        process.wait_for("reranking configuration changed")
        assert reranking(process)["reranking"]["snippet_chars"] == 7


def test_the_command_shows_what_was_kept(tmp_path: Path) -> None:
    file, state = tmp_path / "rerankd.toml", tmp_path / "state.json"
    file.write_text(f'[reranking]\nsnippet_chars = 7\n[admin]\nstate_file = "{state}"\n')
    state.write_text('{"reranking": {"mode": "none"}}')
    show = [sys.executable, "-m", "rerankd", "config", "show", "--config", str(file)]
    rows = subprocess.run(show, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    assert "reranking.mode\tnone\tstate\n" in rows
    assert "reranking.snippet_chars\t7\tfile\n" in rows
    state.write_text("{")
    failed = subprocess.run(show, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "admin.state_file" in failed.stderr


def test_a_damaged_state_file_stops_the_start(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{")
    run = subprocess.run(
        [sys.executable, "-m", "rerankd", "serve", "--set", f"admin.state_file={state}", "--grpc-port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1
    assert f"admin.state_file {state}: it is not valid JSON; repair or delete it" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("method", ["GetRerankingConfig", "UpdateRerankingConfig"])
async def test_reflection_knows_the_service(fake_server: FakeServer, method: str) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(fake_server.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"rerankd.v1.ConfigService.{method}"),
    ]
    listed, file = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    names = [service.name for service in listed.list_services_response.service]
    assert "rerankd.v1.ConfigService" in names
    assert len(file.file_descriptor_response.file_descriptor_proto) > 0


def test_each_mode_takes_over_from_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    flags = {
        "reranking.mode": "none",
        "warmup.mode": "lazy",
        "admin.token": TOKEN,
        "cloud.cohere.api_key": KEY,
    }
    with FakeProvider("cohere").running() as cohere:
        process = ServerProcess({**flags, "cloud.cohere.base_url": cohere.base_url})
        try:
            passed = rerank(process)
            assert (passed["outcome"], passed["model"]["id"]) == ("OUTCOME_PASSTHROUGH", "none")

            assert patch(process, {"reranker_mode": "local", "tribrid_reranker_topn": 3})[0] == 200
            local = rerank(process)
            assert local["model"]["backend"] == "onnx"
            assert local["usage"]["scoredDocuments"] == 3

            assert patch(process, {"mode": "cloud", "cloud_top_n": 2})[0] == 200
            cloud = rerank(process)
            assert cloud["model"]["id"] == "cohere/rerank-v3.5"
            assert cloud["usage"]["scoredDocuments"] == 2
            assert [len(call.documents) for call in cohere.calls] == [2]

            status, refused = patch(process, {"cloud_provider": "voyage", "cloud_top_n": 4})
            assert (status, refused["error"]["reason"]) == (404, "MODEL_NOT_FOUND")
            assert refused["error"]["message"].startswith("cloud_provider: ")
            assert rerank(process)["model"]["id"] == "cohere/rerank-v3.5"
            assert reranking(process)["generation"] == 2
        finally:
            assert process.stop() == 0
    assert TOKEN not in "".join(process.log)
    assert KEY not in "".join(process.log)
