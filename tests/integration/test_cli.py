from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.servers import ServerProcess, free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = EXAMPLES / "blood_pressure.txt"
QUERY = "what causes high blood pressure"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
RELEVANT = {"3", "5"}
"""Lines of the sample that answer the query."""


def rerankd(
    *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command as a shell runs it, its output in pipes."""
    return subprocess.run(
        [sys.executable, "-m", "rerankd", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
        timeout=100,
    )


def on_a_terminal(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What a person sees: the command's stdout and stderr on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "100", "LINES": "40", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "rerankd", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **size, **(environment or {})},
    ):
        os.close(theirs)
        seen = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            while chunk := read(terminal.fileno()):
                seen += chunk
    return seen.decode()


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # Linux says so when the last process has left the terminal.
        return b""


def rows(output: str) -> list[list[str]]:
    return [line.split("\t") for line in output.splitlines()]


def test_with_and_without_a_server_the_ranking_is_the_same(server: ServerProcess) -> None:
    remote = rerankd("rerank", QUERY, str(SAMPLE), "--server", server.target)
    local = rerankd("rerank", QUERY, str(SAMPLE))
    assert (remote.returncode, remote.stderr) == (local.returncode, local.stderr) == (0, "")
    ranked = rows(remote.stdout)
    assert [row[0] for row in ranked] == [str(rank) for rank in range(1, 9)]
    assert {row[2] for row in ranked[:2]} == RELEVANT
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    assert all(lines[int(row[2]) - 1] == row[3] for row in ranked)
    for one, other in zip(ranked, rows(local.stdout), strict=True):
        assert float(one[1]) == pytest.approx(float(other[1]), abs=1e-5)


def test_a_server_may_be_named_by_the_environment(server: ServerProcess) -> None:
    run = rerankd("rerank", QUERY, str(SAMPLE), environment={"RERANKD_TARGET": server.target})
    assert run.returncode == 0
    assert len(rows(run.stdout)) == 8


def test_with_a_server_the_packages_of_a_server_are_not_needed(server: ServerProcess) -> None:
    only_for_servers = "pydantic numpy onnx onnxruntime tokenizers huggingface_hub grpc_health starlette"
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({only_for_servers!r}.split()))\n"
        "from rerankd.cli import main; main()"
    )
    for command in (["rerank", QUERY, str(SAMPLE)], ["status"], ["warmup"]):
        arguments = [*command, "--server", server.target]
        run = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
        )
        assert run.stdout


def test_json_is_the_response_with_its_zeros(server: ServerProcess) -> None:
    options = ["--json", "--top-n", "1", "--field", "body"]
    remote = rerankd(
        "rerank", QUERY, str(EXAMPLES / "blood_pressure.jsonl"), "--server", server.target, *options
    )
    local = rerankd("rerank", QUERY, str(EXAMPLES / "blood_pressure.jsonl"), *options)
    for run in (remote, local):
        answer = json.loads(run.stdout)
        (result,) = answer["results"]
        assert (result["id"], result["rank"], result["droppedTokens"]) == ("causes", 1, 0)
        assert answer["outcome"] == "OUTCOME_RERANKED"
        assert answer["usage"]["providerUnits"] == "0"


def test_options_of_the_command_reach_the_model(server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("\n".join("filler " * 900 + line for line in SAMPLE.read_text().splitlines()))
    options = ["--best-passage", "--raw-scores", "--top-n", "2", "--json", "--server", server.target]
    answer = json.loads(rerankd("rerank", QUERY, str(file), *options).stdout)
    assert len(answer["results"]) == 2
    assert all(result["passage"]["startChar"] > 1000 for result in answer["results"])
    assert all(result["score"] == result["logit"] for result in answer["results"])
    assert rerankd("rerank", QUERY, str(SAMPLE), "--min-score", "0.99999").stdout == ""


@pytest.mark.parametrize("top_n", [3, 0])
def test_big_files_go_by_the_stream(server: ServerProcess, top_n: int) -> None:
    text = "\n".join(f"street lamp {number}" for number in range(1100))
    text += "\n" + SAMPLE.read_text(encoding="utf-8")
    remote = rerankd("rerank", QUERY, "-", "-n", str(top_n), "--server", server.target, stdin=text)
    local = rerankd("rerank", QUERY, "-", "-n", str(top_n), stdin=text)
    for run in (remote, local):
        assert run.stderr == ""
        ranked = rows(run.stdout)
        assert len(ranked) == (top_n or 1108)
        assert {row[2] for row in ranked[:2]} == {"1103", "1105"}
        # Without a bound the stream gives no documents back.
        assert bool(ranked[0][3]) == bool(top_n)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["rerank", "", str(SAMPLE)], "INVALID_REQUEST"),
        (["rerank", QUERY, str(SAMPLE), "--model", "no/such"], "MODEL_NOT_FOUND"),
        (["warmup", "no/such"], "MODEL_NOT_FOUND"),
    ],
)
def test_errors_of_the_server_are_one_line(server: ServerProcess, arguments: list[str], reason: str) -> None:
    run = rerankd(*arguments, "--server", server.target)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"rerankd: {reason}: ")
    assert run.stderr.count("\n") == 1


def test_errors_of_the_engine_are_one_line() -> None:
    run = rerankd("rerank", QUERY, "-", stdin="")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("rerankd: INVALID_REQUEST: ")


def test_no_server_is_one_line_with_advice() -> None:
    target = f"127.0.0.1:{free_port()}"
    for arguments in (["status"], ["warmup"], ["rerank", QUERY, str(SAMPLE)]):
        run = rerankd(*arguments, "--server", target)
        assert (run.returncode, run.stdout) == (1, "")
        assert target in run.stderr
        assert "rerankd serve" in run.stderr
        assert run.stderr.count("\n") == 1
    waiting = rerankd("status", "--wait", "--timeout", "0.1", "--server", target)
    assert waiting.returncode == 1
    assert waiting.stderr.startswith("rerankd: DEADLINE_EXCEEDED")


def test_status_of_a_ready_server(server: ServerProcess) -> None:
    run = rerankd("status", "--wait", "--server", server.target)
    assert (run.returncode, run.stderr) == (0, "")
    facts = dict(rows(run.stdout))
    assert facts["ready"] == "true"
    assert facts[f"models.{facts['default_model']}.state"] == "ACTIVE"
    assert facts["limits.max_documents"] == "1024"
    answer = json.loads(rerankd("status", "--json", "--server", server.target).stdout)
    assert answer["models"][0]["state"] == "MODEL_STATE_ACTIVE"


def test_status_of_a_server_that_is_not_ready() -> None:
    lazy = ServerProcess({"warmup.mode": "lazy"})
    try:
        run = rerankd("status", "--server", lazy.target)
        facts = dict(rows(run.stdout))
        assert facts[f"models.{facts['default_model']}.state"] == "UNLOADED"
        assert (run.returncode == 0) == (facts["ready"] == "true")
        warm = rerankd("warmup", "--server", lazy.target)
        assert (warm.returncode, warm.stderr) == (0, "")
        assert warm.stdout.startswith(f"{facts['default_model']} is warm (cpu")
        again = json.loads(rerankd("warmup", "default", "--json", "--server", lazy.target).stdout)
        assert again["state"] == "MODEL_STATE_ACTIVE"
    finally:
        assert lazy.stop() == 0


def test_models_are_listed_pulled_and_verified(tmp_path: Path) -> None:
    cache = ["--set", f"models.cache_dir={tmp_path}", "--set", "models.offline=true"]
    listed = rows(rerankd("models", "list", *cache).stdout)
    assert [row[2] for row in listed if "default" in row[1].split(",")] == ["bundled"]
    everything = json.loads(rerankd("models", "list", "--json", *cache).stdout)
    assert {model["id"] for model in everything} == {row[0] for row in listed}
    pulled = rerankd("models", "pull", "default", *cache)
    assert (pulled.returncode, pulled.stderr) == (0, "")
    assert "is on disk" in pulled.stdout
    assert "is intact" in rerankd("models", "verify", "default", *cache).stdout
    missing = rerankd("models", "pull", "fast", *cache)
    assert missing.returncode == 1
    assert missing.stderr.startswith("rerankd: MODEL_FAILED: ")
    assert missing.stderr.count("\n") == 1


def test_a_terminal_gets_a_table_with_bars(server: ServerProcess) -> None:
    seen = on_a_terminal("rerank", QUERY, str(SAMPLE), "--server", server.target)
    lines = seen.splitlines()
    assert "rank" in lines[0]
    assert "█" in lines[1]
    assert "\x1b[" in seen
    assert "8 of 8 documents scored" in lines[-1]
    plain = on_a_terminal(
        "rerank", QUERY, str(SAMPLE), "--server", server.target, environment={"NO_COLOR": "1"}
    )
    assert "\x1b[32m" not in plain
    assert all(len(STYLE.sub("", line)) <= 100 for line in plain.splitlines())


def test_a_terminal_gets_tables_of_the_state_and_the_settings(server: ServerProcess) -> None:
    status = on_a_terminal("status", "--server", server.target)
    assert "ready" in status
    assert "limits.max_documents" in status
    assert "grpc_port" in on_a_terminal("config", "show")
    assert "licence" in on_a_terminal("models", "list")
    assert "is warm" in on_a_terminal("warmup", "--server", server.target)


def test_a_closed_pipe_ends_the_command_quietly(server: ServerProcess) -> None:
    command = f"{sys.executable} -m rerankd rerank '{QUERY}' - -n 0 --server {server.target} | head -n 1"
    lines = "\n".join(f"lamp {number} " + "x" * 300 for number in range(900))
    run = subprocess.run(command, shell=True, input=lines, capture_output=True, text=True, check=False)
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""


def test_health_is_asked_as_a_probe_does(server: ServerProcess) -> None:
    def asked(*arguments: str) -> tuple[int, str]:
        done = rerankd("health", "--server", server.target, *arguments)
        return done.returncode, done.stdout + done.stderr

    assert asked() == asked("--service", "") == (0, "SERVING\n")
    assert asked("--service", "rerankd.model/rerankd/mini-en") == (0, "SERVING\n")
    assert asked("--service", "rerankd.model/other") == (
        1,
        f"rerankd: {server.target} answers, but is not SERVING rerankd.model/other\n",
    )
    done = rerankd("health", "--server", f"localhost:{free_port()}", "--timeout", "5")
    assert done.returncode == 1
    assert done.stderr.startswith("rerankd: UNAVAILABLE: ")
