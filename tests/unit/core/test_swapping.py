"""Another revision of a model that serves: nothing lost, nothing mixed, and a way back."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_backend import FakeBackend, FakeCatalogue
from support.text_models import TextModel, shared_words

from rerankd.backends.base import ProgressReporter, TextScores
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import DrainingError, ModelFailedError, ModelLoadingError
from rerankd.core.limits import Limits
from rerankd.core.registry import Registry
from rerankd.core.score_cache import ScoreCache
from rerankd.core.stream_events import Chunk, Emit, Scores, StreamRequest
from rerankd.core.swapping import SwapState
from rerankd.core.types import Document, ModelState, Options, Ranking, Result, WarmupStage

MODEL = "test/fake"
SHIFT = 1000.0
"""Between the logits of one revision and the next: far more than texts can differ by."""
DEADLINE_SECONDS = 30


def backend_of(number: int) -> FakeBackend:
    return FakeBackend(revision=f"r{number}", shift=SHIFT * number)


class Revision:
    """Loads one backend; waits at a gate and fails on request."""

    def __init__(self, backend: FakeBackend, failure: Exception | None = None) -> None:
        self.backend = backend
        self.failure = failure
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.loads = 0

    def __call__(self, report: ProgressReporter) -> FakeBackend:
        self.loads += 1
        report(WarmupStage.GOLDEN, 0.0, "checking")
        self.begun.set()
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.backend


class Server:
    """A registry that serves r1, and an engine on it."""

    def __init__(self) -> None:
        self.first = backend_of(1)
        self.registry = Registry(
            FakeCatalogue(), lambda _model, _report: self.first, max_queued_tokens=1_000_000
        )
        self.engine = Engine(self.registry, Limits(), score_cache=ScoreCache(1 << 20))

    async def swap(self, backend: FakeBackend, **options: object) -> None:
        await self.registry.swap(MODEL, revision=backend.revision, load=Revision(backend), **options)  # type: ignore[arg-type]

    async def rerank(self, *texts: str, query: str = "red") -> Ranking:
        return await self.engine.rerank(request(*texts, query=query))

    async def close(self) -> None:
        self.engine.close()
        await self.registry.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.registry.get(MODEL)
    yield made
    made.first.gate.set()
    await made.close()


def request(*texts: str, query: str = "red") -> Request:
    documents = [Document(text=text) for text in texts or ("red", "blue")]
    return Request(query=query, documents=documents, options=Options(raw_scores=True))


def revision_of(results: Sequence[Result]) -> set[str]:
    """Which revisions made these scores, by the scores themselves."""
    return {f"r{round(result.score / SHIFT)}" for result in results}


def check(ranking: Ranking) -> str:
    """Exactly one revision, and the one that is told."""
    assert revision_of(ranking.results) == {ranking.model.revision}
    return ranking.model.revision


async def happened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, DEADLINE_SECONDS)


async def test_new_requests_get_the_new_revision_and_the_old_one_is_freed(server: Server) -> None:
    states: list[ModelState] = []
    server.registry.on_change(lambda _model, state: states.append(state))
    assert check(await server.rerank()) == "r1"
    loaded_at = server.registry.report(MODEL).load_time
    await server.swap(backend_of(2))
    assert check(await server.rerank()) == "r2"
    await happened(server.first.freed)
    report = server.registry.report(MODEL)
    assert report.state is ModelState.ACTIVE
    assert states == []  # it never stopped serving
    assert report.description is not None
    assert report.description.revision == "r2"
    assert report.load_time != loaded_at
    assert report.swap is not None
    assert (report.swap.state, report.swap.previous, report.swap.revision) == (SwapState.DONE, "r1", "r2")


async def test_requests_in_flight_end_where_they_began(server: Server) -> None:
    server.first.gate.clear()
    waiting = asyncio.create_task(server.rerank())
    await asyncio.to_thread(server.first.started.acquire, timeout=DEADLINE_SECONDS)
    await server.swap(backend_of(2))
    assert check(await server.rerank("green")) == "r2"
    assert server.registry.revisions_in_use(MODEL) == {"r1", "r2"}
    assert not server.first.closed
    server.first.gate.set()
    assert check(await waiting) == "r1"
    await happened(server.first.freed)
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("retire")))
    assert server.registry.revisions_in_use(MODEL) == {"r2"}


async def test_a_stream_stays_on_its_model_to_the_end(server: Server) -> None:
    more: asyncio.Queue[Chunk | None] = asyncio.Queue()

    async def chunks() -> AsyncIterator[Chunk]:
        while (chunk := await more.get()) is not None:
            yield chunk

    wanted = StreamRequest(query="red", options=Options(raw_scores=True), emit=Emit.SCORES)
    events = server.engine.rerank_stream(wanted, chunks())
    more.put_nowait(Chunk(indexes=(0, 1), documents=(Document(text="red"), Document(text="blue"))))
    first = await anext(events)
    assert isinstance(first, Scores)
    await server.swap(backend_of(2))
    assert check(await server.rerank()) == "r2"
    more.put_nowait(Chunk(indexes=(2,), documents=(Document(text="red red"),)))
    assert not server.first.closed
    more.put_nowait(None)
    *_, last = [event async for event in events]
    assert isinstance(last, Ranking)
    assert check(last) == "r1"
    assert len(last.results) == 3
    await happened(server.first.freed)


async def test_a_batch_is_answered_by_one_revision(server: Server) -> None:
    server.first.gate.clear()
    batch = asyncio.create_task(server.engine.rerank_batch([request(f"red {n}") for n in range(20)]))
    await asyncio.to_thread(server.first.started.acquire, timeout=DEADLINE_SECONDS)
    await server.swap(backend_of(2))
    server.first.gate.set()
    rankings = await batch
    assert {check(ranking) for ranking in rankings if isinstance(ranking, Ranking)} == {"r1"}
    assert len(rankings) == 20


async def test_a_revision_that_fails_leaves_the_old_one_serving(server: Server) -> None:
    bad = Revision(backend_of(2), ModelFailedError("golden pair 0 scores 1 where its file says 2"))
    committed: list[str] = []
    with pytest.raises(ModelFailedError, match="golden pair 0"):
        await server.registry.swap(MODEL, revision="r2", load=bad, commit=lambda: committed.append("r2"))
    assert committed == []
    assert check(await server.rerank()) == "r1"
    report = server.registry.report(MODEL)
    assert report.state is ModelState.ACTIVE
    assert report.swap is not None
    assert report.swap.state is SwapState.FAILED
    assert report.swap.error is not None
    assert "golden pair 0" in report.swap.error.message
    await server.swap(backend_of(3))  # and the next one may try
    assert check(await server.rerank()) == "r3"


async def test_an_unexpected_failure_tells_the_caller_nothing_internal(server: Server) -> None:
    with pytest.raises(ModelFailedError) as caught:
        await server.registry.swap(MODEL, load=Revision(backend_of(2), OSError("/secret/path is full")))
    assert "/secret" not in caught.value.message
    assert check(await server.rerank()) == "r1"


async def test_what_cannot_be_made_durable_does_not_serve(server: Server) -> None:
    candidate = backend_of(2)

    def full() -> None:
        raise OSError("no space")

    with pytest.raises(ModelFailedError):
        await server.swap(candidate, commit=full)
    assert candidate.closed
    assert check(await server.rerank()) == "r1"


async def test_another_revision_than_asked_for_does_not_serve(server: Server) -> None:
    candidate = backend_of(3)
    with pytest.raises(ModelFailedError, match="r2 of test/fake was asked for, but r3 came"):
        await server.registry.swap(MODEL, revision="r2", load=Revision(candidate))
    assert candidate.closed
    assert check(await server.rerank()) == "r1"


async def test_the_choice_is_durable_before_it_serves(server: Server) -> None:
    seen: list[str] = []

    def commit() -> None:
        seen.extend(server.registry.revisions_in_use(MODEL))

    await server.swap(backend_of(2), commit=commit)
    assert seen == ["r1"]


async def test_one_swap_at_a_time(server: Server) -> None:
    second = Revision(backend_of(2))
    second.gate.clear()
    swaps = [asyncio.create_task(server.registry.swap(MODEL, revision="r2", load=second)) for _ in range(3)]
    await happened(second.begun)
    with pytest.raises(ModelLoadingError, match="r2"):
        await server.swap(backend_of(3))
    report = server.registry.report(MODEL).swap
    assert report is not None
    assert report.state is SwapState.LOADING
    assert check(await server.rerank()) == "r1"
    swaps[0].cancel()  # a caller who gives up stops nothing
    second.gate.set()
    assert {model.ref.revision for model in await asyncio.gather(*swaps[1:])} == {"r2"}
    assert second.loads == 1
    assert check(await server.rerank()) == "r2"


async def test_the_revision_that_serves_already_is_not_loaded_again(server: Server) -> None:
    same = Revision(backend_of(1))
    committed: list[str] = []
    await server.registry.swap(MODEL, revision="r1", load=same, commit=lambda: committed.append("r1"))
    assert same.loads == 0
    assert committed == ["r1"]
    unnamed = Revision(backend_of(1))
    await server.registry.swap(MODEL, load=unnamed)
    assert unnamed.backend.closed
    assert check(await server.rerank()) == "r1"
    assert not server.first.closed


async def test_without_a_loader_the_source_is_asked(server: Server) -> None:
    old, server.first = server.first, backend_of(2)
    await server.registry.swap(MODEL)
    assert check(await server.rerank()) == "r2"
    await happened(old.freed)


async def test_a_model_that_is_not_loaded_is_loaded() -> None:
    server = Server()
    await server.swap(backend_of(2))
    assert check(await server.rerank()) == "r2"
    report = server.registry.report(MODEL)
    assert report.state is ModelState.ACTIVE
    assert report.swap is not None
    assert report.swap.previous == ""
    await server.close()


async def test_a_swap_that_overtakes_the_first_load_wins() -> None:
    slow = Revision(backend_of(1))
    slow.gate.clear()
    registry = Registry(FakeCatalogue(), lambda _model, report: slow(report), max_queued_tokens=10_000)
    early = asyncio.create_task(registry.get(MODEL))
    await happened(slow.begun)
    await registry.swap(MODEL, revision="r2", load=Revision(backend_of(2)))
    slow.gate.set()
    assert (await early).ref.revision == "r2"
    await happened(slow.backend.freed)
    assert registry.report(MODEL).state is ModelState.ACTIVE
    await registry.close()


async def test_a_model_elsewhere_is_swapped_too() -> None:
    old = TextModel(id="test/text")
    new = TextModel(id="test/text", answer=lambda call: TextScores(scores=[SHIFT] * len(call.texts)))
    registry = Registry(FakeCatalogue(), lambda _model, _report: old, max_queued_tokens=10_000)
    engine = Engine(registry, Limits())
    wanted = Request(
        query="red", documents=[Document(text="red")], options=Options(model="test/text", raw_scores=True)
    )
    old.hold.clear()
    waiting = asyncio.create_task(engine.rerank(wanted))
    await old.entered.acquire()
    await registry.swap("test/text", load=lambda _report: new)
    assert (await engine.rerank(wanted)).results[0].score == SHIFT
    assert not old.closed
    old.hold.set()
    assert (await waiting).results[0].score == shared_words("red", "red")
    await old.ended.wait()
    engine.close()
    await registry.close()


async def test_closing_frees_what_still_retires_and_what_still_loads(server: Server) -> None:
    server.first.gate.clear()
    waiting = asyncio.create_task(server.rerank())
    await asyncio.to_thread(server.first.started.acquire, timeout=DEADLINE_SECONDS)
    second, third = backend_of(2), Revision(backend_of(3))
    await server.swap(second)
    third.gate.clear()
    swapping = asyncio.create_task(server.registry.swap(MODEL, revision="r3", load=third))
    await happened(third.begun)
    closing = asyncio.create_task(server.registry.close())
    with pytest.raises(DrainingError):
        await waiting
    server.first.gate.set()
    await closing
    with pytest.raises(DrainingError):
        await swapping
    third.gate.set()
    for backend in (server.first, second, third.backend):
        await happened(backend.freed)
    with pytest.raises(DrainingError):
        await server.swap(backend_of(4))


async def unary(server: Server, number: int) -> list[Ranking]:
    return [await server.rerank(*(f"red {number % 7} {n}" for n in range(5)))]


async def batch(server: Server, number: int) -> list[Ranking]:
    rankings = await server.engine.rerank_batch([request(f"red {number % 5}", "blue") for _ in range(4)])
    assert all(isinstance(ranking, Ranking) for ranking in rankings), rankings
    found = [ranking for ranking in rankings if isinstance(ranking, Ranking)]
    assert len({ranking.model.revision for ranking in found}) == 1
    return found


async def stream(server: Server, number: int) -> list[Ranking]:
    async def chunks() -> AsyncIterator[Chunk]:
        for start in range(0, 40, 8):
            await asyncio.sleep(0)
            indexes = tuple(range(start, start + 8))
            yield Chunk(indexes=indexes, documents=tuple(Document(text=f"red {number} {n}") for n in indexes))

    wanted = StreamRequest(query="red", options=Options(raw_scores=True), emit=Emit.SCORES)
    told: set[str] = set()
    events = [event async for event in server.engine.rerank_stream(wanted, chunks())]
    for event in events[:-1]:
        assert isinstance(event, Scores)
        told.update([event.model.revision] if event.model else [])
    ranking = events[-1]
    assert isinstance(ranking, Ranking)
    assert told == {ranking.model.revision}
    return [ranking]


async def test_traffic_of_every_kind_while_revisions_come_and_go(server: Server) -> None:
    stop = asyncio.Event()
    seen: set[str] = set()

    async def traffic(call: Callable[[Server, int], object], offset: int) -> int:
        numbers = itertools.count()
        while not stop.is_set():
            rankings = await call(server, offset + next(numbers))  # type: ignore[misc]
            seen.update(check(ranking) for ranking in rankings)
        return next(numbers)

    callers = [asyncio.create_task(traffic(call, n)) for n, call in enumerate((unary, batch, stream) * 3)]
    replaced: list[FakeBackend] = [server.first]
    for number in (2, 3, 2, 4, 3, 5):
        backend = backend_of(number)
        await server.swap(backend)
        assert check(await server.rerank()) == f"r{number}"
        replaced.append(backend)
    stop.set()
    counts = await asyncio.gather(*callers)
    assert all(counts)
    assert len(seen) > 1
    for backend in replaced[:-1]:
        await happened(backend.freed)
        assert server.registry.revisions_in_use(MODEL) >= {"r5"}
    assert not replaced[-1].closed


OPERATIONS = st.lists(
    st.sampled_from(["call", "call", "stream", "feed", "end", "swap", "swap", "fail", "release"]),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(OPERATIONS)
def test_no_order_of_events_loses_or_mixes_a_request(operations: list[str]) -> None:
    asyncio.run(asyncio.wait_for(_play(operations), DEADLINE_SECONDS))


async def _play(operations: list[str]) -> None:
    """Plays calls, streams and swaps in the given order on backends whose gates are shut by turns."""
    server = Server()
    await server.registry.get(MODEL)
    backends: list[FakeBackend] = [server.first]
    calls: list[tuple[str, asyncio.Task[Ranking]]] = []
    streams: list[asyncio.Queue[Chunk | None]] = []
    serving, number = "r1", 1
    for step, operation in enumerate(operations):
        if operation == "call":
            calls.append((serving, asyncio.create_task(server.rerank(f"red {step}"))))
        elif operation == "stream":
            streams.append(asyncio.Queue())
            streams[-1].put_nowait(Chunk(indexes=(0,), documents=(Document(text=f"red {step}"),)))
            calls.append((serving, asyncio.create_task(_streamed(server, streams[-1]))))
        elif operation == "feed" and streams:
            streams[-1].put_nowait(Chunk(indexes=(step + 1,), documents=(Document(text=f"blue {step}"),)))
        elif operation == "end" and streams:
            streams.pop().put_nowait(None)
        elif operation == "swap":
            number += 1
            backends.append(backend_of(number))
            if number % 2:
                backends[-1].gate.clear()
            await server.swap(backends[-1])
            serving = f"r{number}"
        elif operation == "fail":
            with pytest.raises(ModelFailedError):
                await server.registry.swap(
                    MODEL, revision="bad", load=Revision(backend_of(99), ModelFailedError("bad"))
                )
        elif operation == "release":
            for backend in backends:
                backend.gate.set()
        await asyncio.sleep(0)
    for backend in backends:
        backend.gate.set()
    for queue in streams:
        queue.put_nowait(None)
    for expected, call in calls:
        assert check(await call) == expected
    for backend in backends[:-1]:
        await happened(backend.freed)
    assert not backends[-1].closed
    await server.close()
    assert backends[-1].closed


async def _streamed(server: Server, queue: asyncio.Queue[Chunk | None]) -> Ranking:
    async def chunks() -> AsyncIterator[Chunk]:
        while (chunk := await queue.get()) is not None:
            yield chunk

    wanted = StreamRequest(query="red", options=Options(raw_scores=True))
    *_, ranking = [event async for event in server.engine.rerank_stream(wanted, chunks())]
    assert isinstance(ranking, Ranking)
    return ranking
