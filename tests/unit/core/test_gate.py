"""So many calls at once and no more, the urgent ones first, and nobody's turn is lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.core.errors import DrainingError, OverloadedError, RerankdError
from rerankd.core.gate import Gate
from rerankd.core.types import Priority


class Entrant:
    def __init__(self) -> None:
        self.errors: list[RerankdError] = []

    def on_failure(self, error: RerankdError) -> None:
        self.errors.append(error)


async def settled() -> None:
    """Every callback that is ready has run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_interactive_calls_go_first() -> None:
    gate, order, go_on = Gate(1, max_queued_tokens=100), [], asyncio.Event()

    async def call(name: str, priority: Priority) -> None:
        async with gate.turn(priority, 1):
            order.append(name)
            await go_on.wait()

    names = [("first", Priority.BULK), ("bulk", Priority.BULK), ("urgent", Priority.INTERACTIVE)]
    tasks = [asyncio.create_task(call(*item)) for item in names]
    await settled()
    assert order == ["first"]
    assert gate.status().documents == 2
    go_on.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "urgent", "bulk"]
    assert gate.status().documents == 0


@settings(max_examples=100, deadline=None)
@given(
    most=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(["enter", "cancel", "finish"]), st.integers(0, 9)), max_size=40),
)
def test_whatever_happens_the_bound_holds_and_every_turn_comes(
    most: int, steps: list[tuple[str, int]]
) -> None:
    async def play() -> None:
        gate = Gate(most, max_queued_tokens=100)
        inside: dict[int, asyncio.Event] = {}
        tasks: dict[int, asyncio.Task[None]] = {}
        peak = 0

        async def call(number: int) -> None:
            nonlocal peak
            priority = Priority.BULK if number % 2 else Priority.INTERACTIVE
            async with gate.turn(priority, 1):
                inside[number] = done = asyncio.Event()
                peak = max(peak, len(inside))
                try:
                    await done.wait()
                finally:
                    del inside[number]

        for number, (step, choice) in enumerate(steps):
            alive = [n for n, task in tasks.items() if not task.done()]
            if step == "enter":
                tasks[number] = asyncio.create_task(call(number))
            elif step == "cancel" and alive:
                tasks[alive[choice % len(alive)]].cancel()
            elif step == "finish" and inside:
                inside[sorted(inside)[choice % len(inside)]].set()
            if choice % 3:
                await settled()
        await settled()
        waiting = sum(not task.done() for task in tasks.values())
        assert len(inside) == min(most, waiting)
        while any(not task.done() for task in tasks.values()):
            assert inside, "calls wait and nobody is inside"
            for done in list(inside.values()):
                done.set()
            await settled()
        assert peak <= most

    asyncio.run(play())


async def test_what_waits_is_bounded_in_tokens() -> None:
    gate = Gate(1, max_queued_tokens=100)
    huge = gate.enter(Entrant(), estimated_tokens=1000)
    with pytest.raises(OverloadedError) as refused:
        gate.enter(Entrant(), estimated_tokens=1)
    assert refused.value.retry_after_seconds
    gate.enter(Entrant(), estimated_tokens=0)
    gate.leave(huge)
    gate.leave(huge)
    gate.enter(Entrant(), estimated_tokens=100)


async def test_stopping_fails_everybody_and_admits_nobody() -> None:
    gate, entrant = Gate(1, max_queued_tokens=100), Entrant()
    gate.enter(entrant, estimated_tokens=1)
    await gate.stop()
    assert [type(error) for error in entrant.errors] == [DrainingError]
    with pytest.raises(DrainingError):
        gate.enter(entrant, estimated_tokens=1)
