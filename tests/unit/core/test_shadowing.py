"""A candidate beside the model that answers: what it shows, and that nobody notices it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest
from scipy import stats
from support.fake_backend import RAISE_WORD, FakeBackend, FakeCatalogue
from support.text_models import TextModel

from rerankd.core import shadowing
from rerankd.core.agreement import rank_correlation
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import CancelledError, InvalidRequestError, ModelFailedError
from rerankd.core.limits import Limits
from rerankd.core.ranking import sigmoid
from rerankd.core.registry import Registry
from rerankd.core.shadowing import ShadowPlan, ShadowReport, ShadowState
from rerankd.core.types import Document, ModelRef, Options, Ranking

MODEL = "test/fake"
TEXTS = [f"red {'grey ' * n}" for n in range(40)]


class Server:
    def __init__(self) -> None:
        self.live = FakeBackend()
        self.registry = Registry(FakeCatalogue(), lambda _model, _report: self.live, max_queued_tokens=10**6)
        self.engine = Engine(self.registry, Limits())
        self.loaded = ModelRef(id=MODEL, revision="r1", backend="fake")

    async def rerank(self, *texts: str, **options: object) -> Ranking:
        documents = [Document(text=text) for text in texts or TEXTS]
        wanted = Options(**options)  # type: ignore[arg-type]
        return await self.engine.rerank(Request(query="red", documents=documents, options=wanted))

    async def start(self, candidate: FakeBackend, fraction: float = 1.0, requests: int = 3) -> None:
        plan = ShadowPlan(fraction=fraction, requests=requests)
        await self.registry.shadows.start(self.loaded, lambda _report: candidate, plan)

    @property
    def report(self) -> ShadowReport:
        report = self.registry.shadows.report(MODEL)
        assert report is not None
        return report

    async def settled(self) -> ShadowReport:
        """The report, once no request is being scored again."""
        names = [f"shadow-{MODEL}"]
        tasks = [task for task in asyncio.all_tasks() if task.get_name() in names]
        await asyncio.gather(*tasks)
        return self.report


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.registry.get(MODEL)
    yield made
    made.live.gate.set()
    made.engine.close()
    await made.registry.close()


async def test_the_same_scores_agree_in_everything(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    candidate = FakeBackend(revision="r2")
    await server.start(candidate, requests=2)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            await server.rerank(top_n=3)
            await server.settled()
    report = server.report
    assert report.state is ShadowState.DONE
    assert (report.serving, report.candidate) == ("r1", "r2")
    assert (report.requests, report.documents) == (2, 80)
    assert report.top10_overlap == 1.0
    assert (report.mean_drift, report.max_drift) == (0.0, 0.0)
    assert report.rank_correlation == pytest.approx(1.0)
    assert [r.top10_overlap for r in caplog.records if r.message == "shadow ended"] == [1.0]  # type: ignore[attr-defined]
    assert await asyncio.to_thread(candidate.freed.wait, 30)
    await server.rerank()
    assert server.report.requests == 2  # done is done


async def test_a_difference_is_measured(server: Server) -> None:
    shifted = FakeBackend(revision="r2", shift=-0.5)
    await server.start(shifted, requests=5)
    ranking = await server.rerank(raw_scores=True)
    report = await server.settled()
    drifts = [abs(sigmoid(r.score) - sigmoid(r.score - 0.5)) for r in ranking.results]
    assert report.mean_drift == pytest.approx(np.mean(drifts), abs=1e-6)
    assert report.max_drift == pytest.approx(max(drifts), abs=1e-6)
    assert report.top10_overlap == 1.0

    class Reversed(FakeBackend):
        def score(self, pairs, lane):  # type: ignore[no-untyped-def]
            return -super().score(pairs, lane)

    await server.start(Reversed(revision="r3"), requests=5)
    await server.rerank()
    report = await server.settled()
    assert report.top10_overlap == 0.0
    assert report.rank_correlation == pytest.approx(-1.0)
    assert shifted.closed


async def test_only_the_share_that_is_wanted(server: Server) -> None:
    await server.start(FakeBackend(revision="r2"), fraction=0.3, requests=1000)
    for number in range(60):
        await server.rerank(f"red {number}", "blue")
        await server.settled()
    assert 8 <= server.report.requests <= 30
    assert server.report.dropped == 0


async def test_live_work_goes_first(server: Server) -> None:
    """While a request is under way nothing is scored again, and nobody waits for what is."""
    candidate = FakeBackend(revision="r2")
    candidate.gate.clear()
    await server.start(candidate, requests=1000)
    await server.rerank()
    await asyncio.to_thread(candidate.started.acquire, timeout=30)
    # The candidate hangs; the answers come all the same, and are not kept for it.
    for number in range(5):
        await server.rerank(f"red {number}")
    assert server.report.dropped == 5
    assert server.report.requests == 0
    # A live request comes before the next slice: the rest of the shadow's request is dropped.
    while server.live.started.acquire(blocking=False):
        pass
    server.live.gate.clear()
    waiting = asyncio.create_task(server.rerank("red grey"))
    assert await asyncio.to_thread(server.live.started.acquire, timeout=30)
    candidate.gate.set()
    report = await server.settled()
    assert (report.dropped, report.requests) == (6, 0)
    assert candidate.scored_pairs == 16
    server.live.gate.set()
    await waiting
    await server.settled()


async def test_what_the_candidate_cannot_score_is_counted(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakeBackend):
        def score(self, pairs, lane):  # type: ignore[no-untyped-def]
            raise RuntimeError(RAISE_WORD)

    await server.start(Broken(revision="r2"))
    assert len((await server.rerank()).results) == 40
    report = await server.settled()
    assert (report.failed, report.requests, report.state) == (1, 0, ShadowState.RUNNING)
    assert "shadow could not score a request" in caplog.text


async def test_a_candidate_that_does_not_load_changes_nothing(server: Server) -> None:
    def fails(_report: object) -> FakeBackend:
        raise ModelFailedError("golden pair 3 is off")

    with pytest.raises(ModelFailedError, match="golden pair 3"):
        await server.registry.shadows.start(server.loaded, fails, ShadowPlan(fraction=1, requests=1))
    assert server.report.state is ShadowState.FAILED
    await server.rerank()
    with pytest.raises(InvalidRequestError, match="of this process"):
        await server.registry.shadows.start(
            server.loaded, lambda _report: TextModel(), ShadowPlan(fraction=1, requests=1)
        )


async def test_one_that_is_ended_while_it_loads_is_freed(server: Server) -> None:
    candidate = FakeBackend(revision="r2")
    begun, go = threading.Event(), threading.Event()

    def slow(_report: object) -> FakeBackend:
        begun.set()
        go.wait()
        return candidate

    plan = ShadowPlan(fraction=1, requests=1)
    starting = asyncio.create_task(server.registry.shadows.start(server.loaded, slow, plan))
    assert await asyncio.to_thread(begun.wait, 30)
    await server.registry.shadows.stop(MODEL)
    go.set()
    with pytest.raises(CancelledError):
        await starting
    assert candidate.closed
    assert server.report.state is ShadowState.STOPPED


async def test_a_request_that_cannot_be_taken_is_answered_all_the_same(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("no text")

    await server.start(FakeBackend(revision="r2"))
    monkeypatch.setattr(shadowing, "scored_text", broken)
    assert len((await server.rerank()).results) == 40
    assert server.report.failed == 1
    assert "shadow could not take a request" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_it_steps_back_behind_live_work(server: Server) -> None:
    priorities: list[int] = []

    class Watched(FakeBackend):
        def score(self, pairs, lane):  # type: ignore[no-untyped-def]
            priorities.append(os.getpriority(os.PRIO_PROCESS, 0))
            return super().score(pairs, lane)

    await server.start(Watched(revision="r2"))
    await server.rerank()
    await server.settled()
    assert set(priorities) == {19}
    assert os.getpriority(os.PRIO_PROCESS, 0) < 19


async def test_a_swap_ends_the_comparison(server: Server) -> None:
    candidate = FakeBackend(revision="r2")
    await server.start(candidate, requests=1000)
    await server.rerank()
    await server.settled()
    await server.registry.swap(MODEL, load=lambda _report: FakeBackend(revision="r3"))
    await server.rerank()
    assert server.report.state is ShadowState.STOPPED
    assert server.report.requests == 1
    assert await asyncio.to_thread(candidate.freed.wait, 30)


async def test_closing_frees_the_candidate(server: Server) -> None:
    candidate = FakeBackend(revision="r2")
    await server.start(candidate, requests=1000)
    await server.rerank()
    await server.registry.close()
    assert candidate.closed


def test_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        first, second = rng.integers(0, 6, 15).astype(float), rng.integers(0, 6, 15).astype(float)
        assert rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert rank_correlation(np.ones(4), np.arange(4.0)) is None
