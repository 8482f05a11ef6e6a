"""A Hub and a provider that hang, break off or refuse: their models fail with a reason, the others go on."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.faulty import flags_for, good_call, lines_of, running
from support.hub import FakeHub
from support.inspected import InspectedServer
from support.providers import KEY, FakeProvider, Fault
from support.providers import Gate as AnswerGate

from rerankd.client import Client, DeadlineExceededError, ModelFailedError, ProviderUnavailableError

REMOTE = "acme/reranker"
COHERE = "cohere/rerank-v3.5"


@pytest.fixture
def flags(stored_model: Path, tmp_path: Path) -> dict[str, object]:
    return flags_for(stored_model, tmp_path / "cache", **{"models.allow": ["acme/*"]})


@pytest.fixture
def deaf_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Takes connections, and never says a word."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield listener


def failure_of_load(server: InspectedServer) -> str:
    """Asks for the remote model; what the caller and the operator are told."""
    with Client(server.target) as client, pytest.raises(ModelFailedError) as caught:
        client.rerank("red", ["red river"], model=REMOTE, timeout_seconds=60)
    (line,) = lines_of(server, "model failed to load")
    assert line["model"] == REMOTE
    assert line["detail"] in str(caught.value)
    return str(line["detail"])


def test_a_hub_that_hangs_times_out_while_others_are_served(
    flags: dict[str, object], deaf_hub: socket.socket
) -> None:
    with running(flags) as server, ThreadPoolExecutor(1) as asking:
        failing = asking.submit(failure_of_load, server)
        deaf_hub.accept()[0].detach()
        for _ in range(5):
            good_call(server.target)
        assert "cannot reach the Hub" in failing.result()
        good_call(server.target)


def test_a_hub_that_breaks_off_every_download_fails_the_load(flags: dict[str, object], hub: FakeHub) -> None:
    hub.faults.break_after["onnx/model.onnx"] = [100] * 50
    with running(flags) as server:
        assert "cannot reach the Hub" in failure_of_load(server)
        good_call(server.target)
        hub.faults.break_after.clear()
        with Client(server.target) as client:
            client.warmup(REMOTE)
        good_call(server.target, model=REMOTE)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_refuses_fails_the_load(flags: dict[str, object], hub: FakeHub, status: int) -> None:
    hub.faults.status[REMOTE] = status
    with running(flags) as server:
        assert f"HTTP {status}" in failure_of_load(server)
        good_call(server.target)


def test_a_download_that_hangs_does_not_hold_up_the_end(flags: dict[str, object], hub: FakeHub) -> None:
    gate = hub.gate("onnx/model.onnx")
    flags = flags | {"server.grace_seconds": 0}
    with running(flags) as server, ThreadPoolExecutor(1) as asking, Client(server.target) as client:
        waiting = asking.submit(client.rerank, "red", ["red river"], model=REMOTE)
        assert gate.reached.wait(60)
        good_call(server.target)
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        assert waiting.exception() is not None
    assert not [line for line in server.log if "Traceback" in line]


@pytest.fixture
def cohere(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    with FakeProvider("cohere").running() as provider:
        yield provider


def with_cohere(flags: dict[str, object], provider: FakeProvider) -> dict[str, object]:
    return flags | {"cloud.cohere.base_url": provider.base_url, "cloud.retries": 0, "log.level": "debug"}


def test_a_provider_that_hangs_costs_only_its_own_callers(
    flags: dict[str, object], cohere: FakeProvider
) -> None:
    cohere.gate = AnswerGate()
    try:
        with running(with_cohere(flags, cohere)) as server, Client(server.target) as client:
            with ThreadPoolExecutor(1) as asking:
                waiting = asking.submit(client.rerank, "red", ["a"], model=COHERE, timeout_seconds=10)
                assert cohere.gate.reached.wait(60)
                for _ in range(5):
                    good_call(server.target)
                with pytest.raises((DeadlineExceededError, ProviderUnavailableError)):
                    waiting.result()
            cohere.gate.release()
            good_call(server.target)
            assert len(client.rerank("red", ["a", "b"], model=COHERE).results) == 2
    finally:
        cohere.gate.release()
    # The client's clock may run out first: the server then sees a call that was cancelled.
    ends = ("DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED")
    told = [line for line in lines_of(server, "call") if line["code"] in ends]
    assert told, "the operator's log tells which call ran out of time"


def test_a_provider_that_hangs_up_is_told_to_its_callers(
    flags: dict[str, object], cohere: FakeProvider
) -> None:
    cohere.standing_fault = Fault(drop=True)
    with running(with_cohere(flags, cohere)) as server, Client(server.target) as client:
        with pytest.raises(ProviderUnavailableError):
            client.rerank("red", ["a"], model=COHERE, timeout_seconds=20)
        good_call(server.target)
        cohere.standing_fault = None
        good_call(server.target)
    assert KEY not in "".join(server.log)
