"""Signals at bad moments: while the first model is fetched, several at once, under load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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


async def test_sighup_under_load_fails_no_call(stored_model: Path, tmp_path: Path) -> None:
    with running(flags_for(stored_model, tmp_path / "cache")) as server:
        async with channel_to(server.target) as channel:
            stub: Any = RerankServiceStub(channel)
            for number in range(30):
                if number % 3 == 0:
                    server.send_signal(signal.SIGHUP)
                assert len((await stub.Rerank(request(3))).results) == 3
        good_call(server.target)
