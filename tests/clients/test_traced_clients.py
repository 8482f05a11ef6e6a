"""A program that uses a client, as a part of its caller's trace."""

from __future__ import annotations

import os
import subprocess

import pytest
from support.collector import collecting
from support.languages import Client
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

# A first build downloads and compiles gRPC itself.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


# That of Python is tested with its client, in tests/integration/test_traces.py.
@pytest.mark.parametrize("client", ["go", "java"], indirect=True)
def test_the_client_sends_its_callers_trace_along(client: Client) -> None:
    with collecting() as collector:
        flags = {"warmup.mode": "lazy", "tracing.enabled": True, "tracing.endpoint": collector.endpoint}
        server = ServerProcess(flags, program=FAKE_MODEL_PROGRAM)
        try:
            done = subprocess.run(
                [*client.traced, server.target, "alpha beta", "beta", "alpha beta"],
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
