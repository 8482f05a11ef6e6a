"""Scores are reused and never changed, memory is bounded, and nobody waits for what will not come."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_backend import RAISE_WORD, FakeBackend, FakeCatalogue, expected_logit, fake_loader

from rerankd.backends.base import EncodeOptions
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import BackendFailedError, InternalError
from rerankd.core.limits import Limits
from rerankd.core.registry import Registry
from rerankd.core.score_cache import ENTRY_BYTES, PairScore, ScoreCache, key_of
from rerankd.core.stream_events import Chunk, StreamRequest
from rerankd.core.types import Document, LongDocument, Options, Priority, Ranking

QUERY = "red green"
TEXTS = ["red one", "green two", "red green three", "four"]


def score(value: float) -> PairScore:
    return PairScore(logit=value, dropped_tokens=0, start_char=0, end_char=1)


def documents(*texts: str) -> list[Document]:
    return [Document(id=text, text=text) for text in texts or TEXTS]


class Bench:
    """An engine with a cache, and its backend in reach."""

    def __init__(self, max_bytes: int = 1_000_000, **backend: object) -> None:
        self.backend = FakeBackend(**backend)  # type: ignore[arg-type]
        self.cache = ScoreCache(max_bytes)
        registry = Registry(FakeCatalogue(), fake_loader(self.backend), max_queued_tokens=100_000)
        self.engine = Engine(registry, Limits(), score_cache=self.cache)

    async def rank(self, *texts: str, query: str = QUERY, **options: object) -> Ranking:
        request = Request(query=query, documents=documents(*texts), options=Options(**options))  # type: ignore[arg-type]
        return await self.engine.rerank(request)

    def later(self, *texts: str, **options: object) -> asyncio.Task[Ranking]:
        return asyncio.create_task(self.rank(*texts, **options))  # type: ignore[arg-type]

    async def one_waits_for_the_other(self) -> tuple[asyncio.Task[Ranking], asyncio.Task[Ranking]]:
        """Two equal requests; the gate is closed, the first one's pairs are queued."""
        await self.rank("warm")
        self.backend.gate.clear()
        first = self.later()
        await asyncio.to_thread(self.backend.started.acquire)
        second = self.later()
        while not any(flight.waiters for flight in self.cache._flights.values()):
            await asyncio.sleep(0)
        return first, second

    async def close(self) -> None:
        self.backend.gate.set()
        await self.engine.registry.close()
        self.engine.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.close()


async def test_a_repeated_request_runs_no_inference_and_answers_the_same(bench: Bench) -> None:
    first = await bench.rank()
    batches = len(bench.backend.batches)
    second = await bench.rank()
    assert second.results == first.results
    assert len(bench.backend.batches) == batches
    assert (first.usage.cache_hits, second.usage.cache_hits) == (0, 4)
    assert (second.usage.scored_documents, second.usage.tokens) == (4, 0)
    assert (bench.cache.hits, bench.cache.misses) == (4, 4)


async def test_only_unknown_pairs_are_scored(bench: Bench) -> None:
    await bench.rank("red one", "four")
    scored = bench.backend.scored_pairs
    answer = await bench.rank("red one", "new", "four", "new")
    assert bench.backend.scored_pairs == scored + 1
    assert (answer.usage.cache_hits, answer.usage.deduplicated) == (2, 1)
    assert {r.id: r.logit for r in answer.results} == {
        text: expected_logit(QUERY, text) for text in ("red one", "new", "four")
    }


@pytest.mark.parametrize(
    "other",
    [
        {"query": "red"},
        {"max_tokens_per_document": 1},
        {"long_document": LongDocument.TRUNCATE_START},
    ],
    ids=str,
)
async def test_what_a_score_depends_on_is_in_its_key(bench: Bench, other: dict[str, object]) -> None:
    await bench.rank()
    answer = await bench.rank(**other)  # type: ignore[arg-type]
    assert answer.usage.cache_hits == 0


@pytest.mark.parametrize("other", [{"raw_scores": True}, {"top_n": 1}, {"min_score": 0.1}], ids=str)
async def test_what_only_shapes_the_answer_is_not(bench: Bench, other: dict[str, object]) -> None:
    await bench.rank()
    assert (await bench.rank(**other)).usage.cache_hits == 4  # type: ignore[arg-type]


async def test_passages_and_dropped_tokens_are_kept_too(bench: Bench) -> None:
    long = " ".join(["filler"] * 100 + ["red"] + ["filler"] * 60)
    for mode in (LongDocument.BEST_PASSAGE, LongDocument.TRUNCATE_END):
        first, second = [await bench.rank(long, long_document=mode) for _ in range(2)]
        assert second.results == first.results
        assert second.usage.cache_hits == 1
        assert second.usage.truncated_documents == first.usage.truncated_documents


async def test_requests_at_the_same_time_share_one_inference(bench: Bench) -> None:
    await bench.rank("warm")
    bench.backend.gate.clear()
    tasks = [bench.later() for _ in range(20)]
    await asyncio.to_thread(bench.backend.started.acquire)
    bench.backend.gate.set()
    answers = await asyncio.gather(*tasks)
    assert bench.backend.scored_pairs == 1 + len(TEXTS)
    assert all(answer.results == answers[0].results for answer in answers)
    assert sum(answer.usage.cache_hits for answer in answers) == 19 * len(TEXTS)


async def test_who_waits_scores_by_itself_when_the_other_is_cancelled() -> None:
    bench = Bench(batch_tokens=8)
    first, second = await bench.one_waits_for_the_other()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    bench.backend.gate.set()
    answer = await second
    assert [r.scored for r in answer.results] == [True] * 4
    assert not bench.cache._flights
    await bench.close()


async def test_who_waits_hears_of_a_failure_to_score_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(batch_tokens=8)
    first, second = await bench.one_waits_for_the_other()

    def broken(*_: object) -> None:
        raise RuntimeError("the tokenizer is gone")

    monkeypatch.setattr(bench.backend, "encode_documents", broken)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    with pytest.raises(InternalError):
        await second
    await bench.close()


async def test_a_failed_batch_fails_those_who_asked_and_leaves_nothing_behind(bench: Bench) -> None:
    await bench.rank("warm")
    bench.backend.gate.clear()
    tasks = [bench.later(f"red {RAISE_WORD}") for _ in range(3)]
    await asyncio.to_thread(bench.backend.started.acquire)
    bench.backend.gate.set()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, BackendFailedError)
    assert not bench.cache._flights
    assert (await bench.rank()).usage.scored_documents == 4


async def test_an_interactive_request_does_not_wait_for_bulk_work() -> None:
    bench = Bench(batch_tokens=8)
    await bench.rank("warm")
    bench.backend.gate.clear()
    bulk = bench.later(priority=Priority.BULK)
    await asyncio.to_thread(bench.backend.started.acquire)
    urgent = bench.later(priority=Priority.INTERACTIVE)
    while bench.engine.registry.loaded()[0].scheduler.status().documents < 6:
        await asyncio.sleep(0)
    bench.backend.gate.set()
    answers = await asyncio.gather(bulk, urgent)
    assert answers[0].results == answers[1].results
    assert answers[1].usage.cache_hits == 0
    await bench.close()


async def test_a_stream_uses_and_fills_the_cache(bench: Bench) -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        for start in (0, 500):
            texts = [f"red {i % 300}" for i in range(start, start + 500)]
            yield Chunk(indexes=range(start, start + 500), documents=documents(*texts))

    for expected in (300, 0):
        before = bench.backend.scored_pairs
        (answer,) = [e async for e in bench.engine.rerank_stream(StreamRequest(query=QUERY), chunks())]
        assert isinstance(answer, Ranking)
        assert bench.backend.scored_pairs == before + expected
        assert answer.usage.scored_documents == 1000
    assert answer.usage.cache_hits + answer.usage.deduplicated == 1000


async def test_a_warm_up_always_runs_the_model(bench: Bench) -> None:
    request = Request(query=QUERY, documents=documents(), use_cache=False)
    for _ in range(2):
        before = bench.backend.scored_pairs
        await bench.engine.rerank(request)
        assert bench.backend.scored_pairs == before + 4


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=200), st.integers(1, 12))
def test_it_is_a_bounded_table_least_recently_used_first_out(
    steps: list[tuple[int, bool]], capacity: int
) -> None:
    cache = ScoreCache(capacity * ENTRY_BYTES)
    model: OrderedDict[bytes, PairScore] = OrderedDict()
    for number, (value, is_put) in enumerate(steps):
        key = bytes([value])
        if is_put:
            cache.settle(key, score(number))
            model.setdefault(key, score(number))
            model.move_to_end(key)
            while len(model) > capacity:
                model.popitem(last=False)
        else:
            assert cache.find(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
        assert len(cache) == len(model)
        assert cache.size_bytes <= capacity * ENTRY_BYTES


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=2, max_size=2, unique=True))
def test_different_pairs_have_different_keys(pairs: list[tuple[str, str]]) -> None:
    description = FakeBackend().description
    keys = []
    for query, text in pairs:
        make = key_of(description, query, EncodeOptions())
        assert make is not None
        keys.append(make(text))
    assert keys[0] != keys[1]


def test_a_model_without_a_revision_is_not_cached() -> None:
    from dataclasses import replace

    description = replace(FakeBackend().description, revision="")
    assert key_of(description, "q", EncodeOptions()) is None
