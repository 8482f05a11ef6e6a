"""Twice what a model can do, for some seconds, at a real server: what must hold however slow the machine is.

How much of the capacity is left is a measurement: scripts/bench/overload.py.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.overload import TOKENS, fixed_cost_program, open_loop
from support.servers import ServerProcess

RATE = 8_000.0
DOCUMENTS, TIMEOUT = 20, 1.0
CAPACITY = RATE / (TOKENS * DOCUMENTS)
"""Calls in a second."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    process = ServerProcess({"warmup.mode": "lazy", "cache.max_mib": 0}, program=fixed_cost_program(RATE))
    yield process
    assert process.stop() == 0


def value(server: ServerProcess, name: str) -> float:
    with urllib.request.urlopen(f"{server.http_url}/metrics", timeout=30) as page:
        families = text_string_to_metric_families(page.read().decode())
        return sum(s.value for family in families for s in family.samples if s.name == name)


async def test_refusals_tell_when_to_come_back_and_nobody_waits_in_vain(server: ServerProcess) -> None:
    answers = await open_loop(
        server.target, calls_per_second=2 * CAPACITY, seconds=8.0, documents=DOCUMENTS, timeout=TIMEOUT
    )
    accepted = [answer for answer in answers if answer.code == "OK"]
    refused = [answer for answer in answers if answer.code == "UNAVAILABLE"]
    late = [answer for answer in answers if answer.code == "DEADLINE_EXCEEDED"]
    assert len(accepted) + len(refused) + len(late) == len(answers)
    assert accepted
    assert refused
    # gRPC itself ends a call at its deadline, so an answer that came is one that was in time.
    assert {answer.reason for answer in refused} == {"OVERLOADED"}
    assert all(answer.retry_seconds is not None and answer.retry_seconds > 0 for answer in refused)
    assert value(server, "rerankd_errors_total") >= len(refused)


async def test_afterwards_nothing_waits_and_every_call_is_taken_in(server: ServerProcess) -> None:
    await open_loop(
        server.target, calls_per_second=4 * CAPACITY, seconds=2.0, documents=DOCUMENTS, timeout=TIMEOUT
    )
    until = time.monotonic() + 30
    while value(server, "rerankd_queue_documents"):
        assert time.monotonic() < until
        await asyncio.sleep(0)
    answers = await open_loop(
        server.target, calls_per_second=CAPACITY / 10, seconds=2.0, documents=1, timeout=30.0
    )
    assert {answer.code for answer in answers} == {"OK"}
    # Its own reading of the page is the one call that is under way.
    assert value(server, "rerankd_calls_in_progress") == 1
