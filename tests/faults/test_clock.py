"""A wall clock that jumps by hours while calls run: nothing that is waited for is measured by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from support.calls import chunks, request, start
from support.faulty import flags_for, good_call, running
from support.inspected import InspectedServer
from support.jumping_clock import JumpingClock
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess

from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

HOUR = 3600
JUMPS = (10 * HOUR, -10 * HOUR, 0)


@pytest.fixture
def clock(tmp_path: Path) -> JumpingClock:
    return JumpingClock(tmp_path)


@pytest.fixture
def server(
    clock: JumpingClock, stored_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InspectedServer]:
    """A server under the clock; this process, its client, keeps the machine's."""
    with monkeypatch.context() as patched:
        for name, value in clock.environment.items():
            patched.setenv(name, value)
        context = running(flags_for(stored_model, tmp_path / "cache", **{"log.level": "debug"}))
        server = context.__enter__()
    try:
        yield server
    finally:
        context.__exit__(None, None, None)


def test_the_clock_really_jumps(clock: JumpingClock) -> None:
    program = (
        "import json, sys, time\n"
        "for _ in sys.stdin: print(json.dumps([time.time(), time.monotonic()]), flush=True)"
    )
    told = []
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | clock.environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for offset in (0, *JUMPS):
            clock.jump_to(offset)
            process.stdin.write("\n")
            process.stdin.flush()
            told.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    walls, monotonic = zip(*told, strict=True)
    assert walls[1] - walls[0] >= 10 * HOUR
    assert walls[2] - walls[1] <= -20 * HOUR + 60
    assert list(monotonic) == sorted(monotonic)
    assert monotonic[-1] - monotonic[0] < HOUR


def test_calls_with_a_deadline_are_served_before_and_after_each_jump(
    clock: JumpingClock, server: InspectedServer
) -> None:
    wanted = good_call(server.target)
    for offset in JUMPS:
        clock.jump_to(offset)
        # The client's own deadline of 30 s is on the wire as what is left, not as a time of day.
        assert good_call(server.target) == pytest.approx(wanted, abs=1e-6)
    assert not [line for line in server.log if "DEADLINE" in line or "Traceback" in line]


def test_a_stream_lives_through_jumps(clock: JumpingClock, server: InspectedServer) -> None:
    with grpc.insecure_channel(server.target) as channel:

        def messages() -> Iterator[pb.RerankStreamRequest]:
            yield start(pb.STREAM_EMIT_SCORES)
            for number, chunk in enumerate(chunks(60, 10)):
                clock.jump_to(JUMPS[number % 3])
                yield chunk

        *_, last = RerankServiceStub(channel).RerankStream(messages(), timeout=60)
    assert last.summary.usage.scored_documents == 60
    good_call(server.target)


def test_a_deadline_that_ends_after_a_jump_ends_by_the_monotonic_clock(
    clock: JumpingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call waits at a model that is held; ten hours pass on the wall, and it still has its time."""
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    held = FAKE_MODEL_PROGRAM.replace(
        "asyncio.run(",
        "import signal\nbackend = FakeBackend(batch_tokens=512)\nbackend.gate.clear()\n"
        "signal.signal(signal.SIGUSR2, lambda *_: backend.gate.set())\nasyncio.run(",
    ).replace("fake_engine(FakeBackend(batch_tokens=512), config)", "fake_engine(backend, config)")
    process = ServerProcess({"warmup.mode": "lazy", "http_enabled": False}, program=held)
    try:
        with grpc.insecure_channel(process.target) as channel:
            stub = RerankServiceStub(channel)
            call = stub.Rerank.future(request(3), timeout=60)
            while stub.Status(pb.StatusRequest()).models[0].state != pb.MODEL_STATE_ACTIVE:
                assert not call.done()
            clock.jump_to(10 * HOUR)
            stub.Status(pb.StatusRequest(), timeout=30)
            clock.jump_to(-10 * HOUR)
            stub.Status(pb.StatusRequest(), timeout=30)
            assert not call.done()
            process.send_signal(signal.SIGUSR2)
            assert len(call.result().results) == 3
    finally:
        assert process.stop() == 0
