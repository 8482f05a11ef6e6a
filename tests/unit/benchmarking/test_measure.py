"""Turns on a clock that only calls move."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from rerankd.benchmarking.fit import Call
from rerankd.benchmarking.measure import Case, Cell, Measuring
from rerankd.benchmarking.subject import Facts, Packed, SubjectFailedError
from rerankd.benchmarking.workload import Workload, made_workload

WORKLOAD = made_workload()
SMALL = Workload(queries=["a", "b"], texts=[f"text {n}" for n in range(50)], source="own")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Paced:
    """Takes so many seconds a document, and notes what it was asked."""

    def __init__(self, clock: Clock, seconds: float, *, most: int = 10_000, fails_after: int = 10**9) -> None:
        self.facts = Facts(where="in-process", model="paced")
        self.most_documents = most
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.began: list[float] = []
        self._clock = clock
        self._seconds = seconds
        self._fails_after = fails_after

    @property
    def packed(self) -> Packed:
        tokens = 80 * sum(len(texts) for _, texts in self.asked)
        return Packed(tokens=tokens, padded=tokens * 5 // 4)

    async def rank(self, query: str, texts: Sequence[str]) -> Call:
        if len(self.asked) >= self._fails_after:
            raise SubjectFailedError("BACKEND_FAILED: it broke")
        self.asked.append((query, tuple(texts)))
        self.began.append(self._clock.now)
        self._clock.now += self._seconds * len(texts)
        await asyncio.sleep(0)
        return Call(seconds=self._seconds * len(texts), documents=len(texts), tokens=80 * len(texts))

    async def stream(self, query: str, texts: Sequence[str]) -> Call:
        return await self.rank(query, texts)

    async def close(self) -> None:
        """Holds nothing."""


def cells_of(measuring: Measuring, subject: Paced) -> list[Cell]:
    return [cell for cell in measuring.cells if cell.subject is subject]


async def test_everything_is_measured_and_the_time_is_kept() -> None:
    clock = Clock()
    fast, slow = Paced(clock, 0.0005), Paced(clock, 0.001)
    cases = [Case(documents=10), Case(documents=100, callers=4), Case(documents=1000, kind="stream")]
    measuring = Measuring(cases, [fast, slow], WORKLOAD, clock=clock)
    shares: list[float] = []
    await measuring.run(30.0, shares.append)
    assert 25 <= clock.now - 100 <= 30 + 1
    assert shares == sorted(shares)
    assert shares[0] == 0
    for cell in measuring.cells:
        assert cell.calls
        assert not cell.left_out
        assert cell.padding_share == pytest.approx(0.2)
        assert sum(documents for documents, _ in cell.turns) == len(cell.calls) * cell.case.documents
    assert cells_of(measuring, fast)[0].pairs_per_second == pytest.approx(2000)
    assert cells_of(measuring, slow)[0].pairs_per_second == pytest.approx(1000)


async def test_subjects_take_turns() -> None:
    clock = Clock()
    one, other = Paced(clock, 0.001), Paced(clock, 0.001)
    await Measuring([Case(documents=10)], [one, other], WORKLOAD, clock=clock).run(20.0)
    who = [who for _, who in sorted([(at, 1) for at in one.began] + [(at, 2) for at in other.began])]
    changes = sum(a != b for a, b in itertools.pairwise(who))
    assert changes > 10
    # Who was first is last in the next turn: 1 2, 2 1, 1 2, ...
    runs = [who[0]] + [b for a, b in itertools.pairwise(who) if a != b]
    assert runs[:5] == [1, 2, 1, 2, 1]
    assert len(one.asked) == pytest.approx(len(other.asked), rel=0.2)


async def test_cases_get_the_same_time() -> None:
    clock = Clock()
    subject = Paced(clock, 0.001)
    measuring = Measuring([Case(documents=10), Case(documents=1000)], [subject], WORKLOAD, clock=clock)
    await measuring.run(40.0)
    short, long = measuring.cells
    assert short.seconds == pytest.approx(long.seconds, abs=1.5)


async def test_what_would_take_too_long_is_not_begun() -> None:
    clock = Clock()
    subject = Paced(clock, 0.1)
    measuring = Measuring([Case(documents=10), Case(documents=1000)], [subject], WORKLOAD, clock=clock)
    await measuring.run(20.0)
    assert measuring.cells[0].calls
    assert measuring.cells[1].calls == []
    assert measuring.cells[1].left_out == "a call would take about 100 s"
    assert clock.now - 100 <= 21


async def test_no_pair_comes_twice() -> None:
    clock = Clock()
    subject = Paced(clock, 0.001)
    measuring = Measuring([Case(documents=10), Case(documents=20)], [subject], SMALL, clock=clock)
    await measuring.run(10.0)
    pairs = [(query, text) for query, texts in subject.asked for text in texts]
    assert len(pairs) > 1000
    assert len(set(pairs)) == len(pairs)


async def test_two_subjects_are_asked_the_same() -> None:
    clock = Clock()
    fast, slow = Paced(clock, 0.001), Paced(clock, 0.004)
    await Measuring([Case(documents=10)], [fast, slow], WORKLOAD, clock=clock).run(10.0)
    assert set(slow.asked) <= set(fast.asked)


async def test_one_that_fails_leaves_the_other_alone() -> None:
    clock = Clock()
    broken, sound = Paced(clock, 0.001, fails_after=3), Paced(clock, 0.001)
    measuring = Measuring([Case(documents=10, callers=2)], [broken, sound], WORKLOAD, clock=clock)
    await measuring.run(10.0)
    (failed,), (good,) = cells_of(measuring, broken), cells_of(measuring, sound)
    assert (failed.left_out, failed.failed) == ("BACKEND_FAILED: it broke", True)
    assert not good.failed
    assert len(failed.calls) == 3
    assert not good.left_out
    assert len(good.calls) > 100


async def test_calls_that_a_subject_does_not_take_are_not_made() -> None:
    clock = Clock()
    subject = Paced(clock, 0.0001, most=64)
    measuring = Measuring([Case(documents=100)], [subject], WORKLOAD, clock=clock)
    await measuring.run(5.0)
    assert (subject.asked, measuring.cells[0].left_out) == ([], "a call may have 64 documents")
    assert Measuring([Case(documents=51)], [subject], SMALL, clock=clock).cells[0].left_out


async def test_cancelled_it_keeps_what_it_has() -> None:
    class Stuck(Paced):
        async def rank(self, query: str, texts: Sequence[str]) -> Call:
            if len(self.asked) == 5:
                stuck.set()
                await asyncio.Event().wait()
            return await super().rank(query, texts)

    stuck, clock = asyncio.Event(), Clock()
    measuring = Measuring([Case(documents=10)], [Stuck(clock, 0.001)], WORKLOAD, clock=clock)
    task = asyncio.create_task(measuring.run(10.0))
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(measuring.cells[0].calls) == 5
