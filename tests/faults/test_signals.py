"""Signals at bad moments: while the first model is fetched, several at once, under load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import request
from support.faulty import flags_for, good_call, running
from support.hub import FakeHub
from support.inspected import PROGRAM
from support.servers import channel_to

from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_while_the_first_model_is_fetched_ends_the_start(
    hub: FakeHub, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    gate = hub.gate("onnx/model.onnx")
    flags = flags_for(Path("acme/reranker"), tmp_path / "cache", grpc_port=0, **{"log.format": "json"})
    command = [sys.executable, "-c", PROGRAM, json.dumps(flags)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert gate.reached.wait(60)
            for _ in range(times):
                process.send_signal(number)
            _, log = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert "Traceback" not in log
    assert '"stopped"' in log


STAGES = ("resolve", "verify", "session", "shapes", "golden", "probe")
ROUNDS = 4
"""The first round of a cache prepares the graph and measures lanes; the others find them on the disk, so that
the same stage ends, or waits, at other moments."""


def ended_by_sigterm(command: list[str], now: Callable[[str], bool]) -> tuple[int, str]:
    """Exit status and output of a process that gets SIGTERM as soon as a line of its log says so."""
    read: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                read.append(line)
                if now(line):
                    break
            assert process.poll() is None, "".join(read)
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, "".join(read) + rest


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("stage", STAGES)
def test_sigterm_at_any_stage_of_a_load_ends_in_order(tmp_path: Path, stage: str) -> None:
    cache = str(tmp_path / "cache")
    flags = {"grpc_port": 0, "http_port": 0, "log.format": "json", "log.level": "debug"}
    flags |= {"models.cache_dir": cache, "server.drain_delay_seconds": 0}
    command = [sys.executable, "-c", PROGRAM, json.dumps(flags)]

    def begins(line: str) -> bool:
        return '"event": "warm-up"' in line and f'"stage": "{stage}"' in line

    for _ in range(ROUNDS):
        status, log = ended_by_sigterm(command, begins)
        assert status == 0, log
        assert "Traceback" not in log
        # The last line is the server's own, and no library's.
        assert json.loads(log.splitlines()[-1])["event"] == "stopped"


def test_sigterm_while_the_server_is_imported_ends_it(tmp_path: Path) -> None:
    flags = ("--grpc-port", "0", "--http-port", "0", "--set", f"models.cache_dir={tmp_path}")
    command = [sys.executable, "-X", "importtime", "-m", "rerankd", "serve", *flags]
    status, log = ended_by_sigterm(command, lambda line: line.strip().endswith("rerankd.core.engine"))
    assert status == 0, log[-2000:]
    assert "Traceback" not in log
    assert '"stopped"' not in log


async def test_sighup_under_load_fails_no_call(stored_model: Path, tmp_path: Path) -> None:
    with running(flags_for(stored_model, tmp_path / "cache")) as server:
        async with channel_to(server.target) as channel:
            stub: Any = RerankServiceStub(channel)
            for number in range(30):
                if number % 3 == 0:
                    server.send_signal(signal.SIGHUP)
                assert len((await stub.Rerank(request(3))).results) == 3
        good_call(server.target)
