"""A program that uses the Go client, as a part of its caller's trace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from languages import CLIENTS, require, run
from support.collector import collecting
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

# A first build downloads and compiles gRPC itself.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_go_client_sends_its_callers_trace_along(tmp_path: Path) -> None:
    require("go")
    program = tmp_path / "traced"
    run("go", "build", "-o", str(program), "./examples/traced", cwd=CLIENTS / "go")
    with collecting() as collector:
        flags = {"warmup.mode": "lazy", "tracing.enabled": True, "tracing.endpoint": collector.endpoint}
        server = ServerProcess(flags, program=FAKE_MODEL_PROGRAM)
        try:
            done = subprocess.run(
                [str(program), server.target, "alpha beta", "beta", "alpha beta"],
                env={**os.environ, "TRACEPARENT": f"00-{TRACE_ID}-{SPAN_ID}-01"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            server.stop()
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("1. ")
        (call,) = collector.wait_for("rerankd.v1.RerankService/Rerank")
    assert (call.trace_id, call.parent_id) == (TRACE_ID, SPAN_ID)
    assert {span.trace_id for span in collector.named("inference")} == {TRACE_ID}
