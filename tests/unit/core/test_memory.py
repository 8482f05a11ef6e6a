"""The ceiling on memory: unary calls refused, streams paused, everything taken in again afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from support.fake_backend import FakeBackend, FakeCatalogue, fake_loader

from rerankd.core import memory as memory_module
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import OverloadedError
from rerankd.core.limits import Limits
from rerankd.core.memory import MemoryCeiling, resident_bytes
from rerankd.core.registry import Registry
from rerankd.core.stream_events import Chunk, Emit, StreamRequest
from rerankd.core.types import Document, Ranking

MIB = 2**20


@dataclass
class Memory:
    """What the process is said to take."""

    mib: float = 10.0

    def read(self) -> int:
        return int(self.mib * MIB)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Read at every look."""
    monkeypatch.setattr(memory_module, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(memory_module, "_PAUSE_SECONDS", 0.0)
    return Memory()


def ceiling(memory: Memory, limit_mib: int = 100) -> MemoryCeiling:
    return MemoryCeiling(limit_mib * MIB, read=memory.read)


async def test_above_it_nothing_is_taken_in_until_memory_has_fallen_well_below(memory: Memory) -> None:
    bound = ceiling(memory)
    bound.check()
    memory.mib = 101
    with pytest.raises(OverloadedError) as refusal:
        bound.check()
    assert refusal.value.retry_after_seconds
    assert refusal.value.metadata == {"memory_bytes": str(101 * MIB), "limit": str(100 * MIB)}
    memory.mib = 99
    with pytest.raises(OverloadedError):
        bound.check()
    memory.mib = 96
    bound.check()
    memory.mib = 99
    bound.check()


async def test_without_a_ceiling_nothing_is_read() -> None:
    def read() -> int:
        raise AssertionError("memory was read")

    bound = MemoryCeiling(0, read=read)
    bound.check()
    await bound.room()


async def test_a_reading_is_good_for_a_moment(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "_FRESH_SECONDS", 1000.0)
    bound = ceiling(memory)
    bound.check()
    memory.mib = 101
    bound.check()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_the_real_reading_follows_what_is_allocated() -> None:
    before = resident_bytes()
    held = bytearray(b"x" * (64 * MIB))
    assert resident_bytes() - before > 32 * MIB
    del held


@pytest.fixture
async def engine(memory: Memory) -> AsyncIterator[Engine]:
    backend = FakeBackend()
    registry = Registry(FakeCatalogue(), fake_loader(backend), max_queued_tokens=10_000)
    engine = Engine(registry, Limits(max_memory_mib=100))
    engine.memory._read = memory.read
    yield engine
    await registry.close()
    engine.close()


async def test_the_engine_refuses_unary_calls_before_anything_else(engine: Engine, memory: Memory) -> None:
    request = Request(query="", documents=[])
    memory.mib = 101
    with pytest.raises(OverloadedError):
        await engine.rerank(request)
    assert not engine.registry.reports()


async def test_a_stream_is_not_read_meanwhile_and_goes_on_afterwards(engine: Engine, memory: Memory) -> None:
    pulled = 0
    paused = asyncio.Event()

    async def chunks() -> AsyncIterator[Chunk]:
        nonlocal pulled
        for start in range(0, 40, 10):
            pulled += 10
            if start == 10:
                memory.mib = 101
                paused.set()
            yield Chunk(
                indexes=range(start, start + 10),
                documents=[Document(text=f"w{start}x{i}") for i in range(10)],
            )

    async def run() -> Ranking:
        request = StreamRequest(query="alpha", emit=Emit.SUMMARY_ONLY)
        async for event in engine.rerank_stream(request, chunks()):
            if isinstance(event, Ranking):
                return event
        raise AssertionError

    running = asyncio.create_task(run())
    await paused.wait()
    while not engine.memory.paused_streams:
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert pulled == 20
    memory.mib = 10
    ranking = await running
    assert ranking.usage.scored_documents == 40
    assert engine.memory.paused_streams == 0
