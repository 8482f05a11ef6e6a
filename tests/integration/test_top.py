"""`rerankd top` at a real process under load, in a pipe and on a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess
from test_cli import STYLE, on_a_terminal, rerankd, rows

from rerankd.client import Client


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    process = ServerProcess({"warmup.mode": "lazy"}, program=FAKE_MODEL_PROGRAM)
    yield process
    process.stop()


@contextmanager
def load(server: ServerProcess) -> Iterator[None]:
    """Calls one after the other, from before the first look to after the last one."""
    done, begun = threading.Event(), threading.Event()

    def run() -> None:
        with Client(server.target) as client:
            while not done.is_set():
                client.rerank("alpha", [f"alpha {n}" for n in range(20)])
                begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(30)
        yield
    finally:
        done.set()
        thread.join()


def test_a_frame_for_scripts(server: ServerProcess) -> None:
    with load(server):
        done = rerankd("top", "--http", server.http_url, "--once", "--interval", "0.5")
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(rows(done.stdout))
    assert float(told["work.documents_/s"].replace(",", "")) > 0
    assert float(told["calls.Rerank_/s"].replace(",", "")) > 0
    assert told["calls.failed_/s"] == "0.0"
    assert told["seconds.call_Rerank.p99"].endswith(("ms", "s"))
    assert told["models.test/fake"] == "active"


def test_a_frame_for_people(server: ServerProcess) -> None:
    with load(server):
        seen = STYLE.sub("", on_a_terminal("top", "--http", server.http_url, "--once", "--interval", "0.5"))
    for word in (
        "rerankd ",
        "queue",
        "documents /s",
        "padding",
        "cache hits",
        "call Rerank",
        "test/fake",
        "active",
    ):
        assert word in seen
    assert max(len(line) for line in seen.splitlines()) <= 100


def test_what_is_no_rerankd_is_said(server: ServerProcess) -> None:
    away = rerankd("top", "--http", "http://127.0.0.1:1", "--once")
    assert away.returncode == 1
    assert "is a server running there?" in away.stderr
    wrong = rerankd("top", "--http", f"{server.http_url}/nowhere", "--once")
    assert (wrong.returncode, "404" in wrong.stderr or "NOT_FOUND" in wrong.stderr) == (1, True)
