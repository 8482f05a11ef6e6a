"""The use cases over a small real backend: every option, every way to end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from support.fake_backend import (
    KILL_WORD,
    NAN_WORD,
    RAISE_WORD,
    FakeBackend,
    FakeCatalogue,
    expected_logit,
    fake_loader,
)

from rerankd.core import streaming
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import (
    BackendFailedError,
    DeadlineExceededError,
    DocumentTooLongError,
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
    NonFiniteScoreError,
    OverloadedError,
    RerankdError,
    StreamProtocolError,
)
from rerankd.core.limits import Limits
from rerankd.core.loaded import LocalModel
from rerankd.core.look_ahead import look_ahead
from rerankd.core.ranking import sigmoid
from rerankd.core.registry import Registry
from rerankd.core.scoring import ScoringRun
from rerankd.core.stream_events import Chunk, Emit, Scores, Snapshot, StreamRequest
from rerankd.core.types import (
    Caller,
    DeadlineMode,
    Document,
    FailureMode,
    LongDocument,
    Options,
    Outcome,
    Ranking,
)

QUERY = "red green blue"
WORDS = ("red", "green", "blue", "grey", "black")


def text(number: int) -> str:
    """A text whose score differs from that of its neighbours in number."""
    return " ".join(WORDS[(number // 5**k) % 5] for k in range(4)) + f" word{number}"


def documents(count: int) -> list[Document]:
    return [Document(id=f"d{i}", text=text(i)) for i in range(count)]


class Bench:
    """An engine with its backend in reach."""

    def __init__(self, limits: Limits | None = None, **backend: object) -> None:
        self.backend = FakeBackend(**backend)  # type: ignore[arg-type]
        self.limits = limits or Limits()
        self.registry = Registry(
            FakeCatalogue(), fake_loader(self.backend), max_queued_tokens=self.limits.max_queued_tokens
        )
        self.engine = Engine(self.registry, self.limits)

    async def rerank(
        self, docs: Sequence[Document], caller: Caller | None = None, **options: object
    ) -> Ranking:
        request = Request(query=QUERY, documents=docs, options=Options(**options))  # type: ignore[arg-type]
        return await self.engine.rerank(request, caller or Caller())

    async def stream(
        self,
        chunks: AsyncIterator[Chunk],
        emit: Emit = Emit.SUMMARY_ONLY,
        caller: Caller | None = None,
        interval: float = 0.0,
        **options: object,
    ) -> list[Scores | Snapshot | Ranking]:
        request = StreamRequest(
            query=QUERY,
            options=Options(**options),  # type: ignore[arg-type]
            emit=emit,
            snapshot_interval_seconds=interval,
        )
        return [event async for event in self.engine.rerank_stream(request, chunks, caller or Caller())]

    async def batch_started(self) -> None:
        await asyncio.to_thread(self.backend.started.acquire)

    async def __aenter__(self) -> Bench:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.backend.gate.set()
        await self.registry.close()
        self.engine.close()
        assert self.backend.closed or not self.backend.batches


async def chunked(docs: Sequence[Document], size: int) -> AsyncIterator[Chunk]:
    for start in range(0, len(docs), size):
        part = docs[start : start + size]
        yield Chunk(indexes=range(start, start + len(part)), documents=part)


def soon(seconds: float = 0.3) -> Caller:
    return Caller(deadline=time.monotonic() + seconds)


async def test_ranking_is_by_expected_score() -> None:
    async with Bench() as bench:
        docs = documents(300)
        ranking = await bench.rerank(docs)
        logits = {i: expected_logit(QUERY, d.text) for i, d in enumerate(docs)}
        assert [r.index for r in ranking.results] == sorted(logits, key=lambda i: (-logits[i], i))
        assert all(r.score == pytest.approx(sigmoid(logits[r.index])) for r in ranking.results)
        assert all(r.logit == logits[r.index] and r.id == f"d{r.index}" for r in ranking.results)
        assert (ranking.usage.documents, ranking.usage.scored_documents) == (300, 300)
        assert ranking.usage.tokens == sum(3 + 3 + len(d.text.split()) for d in docs)
        assert ranking.outcome is Outcome.RERANKED
        assert (ranking.model.id, ranking.model.revision, ranking.model.backend) == (
            "test/fake",
            "r1",
            "fake",
        )
        assert ranking.timing.total_seconds > 0


async def test_options_that_shape_the_reply() -> None:
    async with Bench() as bench:
        docs = documents(40)
        raw = await bench.rerank(docs, raw_scores=True, top_n=5, return_documents=True)
        assert len(raw.results) == 5
        assert raw.usage.scored_documents == 40
        assert all(r.score == r.logit and r.document == docs[r.index] for r in raw.results)
        strong = await bench.rerank(docs, min_score=0.5)
        assert {r.index for r in strong.results} == {
            i for i, d in enumerate(docs) if expected_logit(QUERY, d.text) >= 0
        }
        assert all(r.document is None for r in strong.results)


async def test_only_the_first_are_scored() -> None:
    async with Bench() as bench:
        ranking = await bench.rerank(documents(20), max_scored_documents=3)
        assert {r.index for r in ranking.results[:3]} == {0, 1, 2}
        assert [r.index for r in ranking.results[3:]] == list(range(3, 20))
        assert [r.scored for r in ranking.results] == [True] * 3 + [False] * 17
        assert bench.backend.scored_pairs == 3


async def test_equal_texts_are_scored_once() -> None:
    async with Bench() as bench:
        docs = [Document(id=str(i), text="red") for i in range(50)] + [Document(text="blue")]
        ranking = await bench.rerank(docs)
        assert bench.backend.scored_pairs == 2
        assert ranking.usage.deduplicated == 49
        assert ranking.usage.scored_documents == 51
        assert sorted(r.index for r in ranking.results) == list(range(51))


async def test_long_documents() -> None:
    async with Bench() as bench:
        long = " ".join(["grey"] * 80 + ["red green blue"] + ["black"] * 80)
        docs = [Document(text=long), Document(text="red")]
        ends = await bench.rerank(docs)
        assert ends.usage.truncated_documents == 1
        assert ends.results[1].dropped_tokens == 163 - (64 - 3 - 3)
        best = await bench.rerank(docs, long_document=LongDocument.BEST_PASSAGE)
        top = best.results[0]
        assert top.index == 0
        assert top.passage is not None
        assert "red green blue" in long[top.passage.start_char : top.passage.end_char]
        with pytest.raises(DocumentTooLongError) as caught:
            await bench.rerank([*documents(70), *docs], long_document=LongDocument.REJECT)
        assert caught.value.field == "documents[70]"
        assert "documents[70]" in caught.value.message


async def test_fields_and_blending() -> None:
    async with Bench() as bench:
        docs = [
            Document(fields={"title": "red green blue", "body": "grey"}, original_score=1.0),
            Document(fields={"title": "grey", "body": "red"}, original_score=9.0),
        ]
        assert (await bench.rerank(docs, document_fields=("title",))).results[0].index == 0
        blended = await bench.rerank(docs, document_fields=("title",), original_score_weight=0.8)
        assert blended.results[0].index == 1
        assert blended.results[0].original_score == 9.0


@pytest.mark.parametrize(
    ("word", "error"),
    [(NAN_WORD, NonFiniteScoreError), (RAISE_WORD, BackendFailedError), (KILL_WORD, BackendFailedError)],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_failing_model_fails_only_its_request(word: str, error: type[RerankdError]) -> None:
    async with Bench() as bench:
        bad = [Document(text="red"), Document(text=f"red {word}")]
        with pytest.raises(error) as caught:
            await bench.rerank(bad)
        assert "/secret" not in caught.value.message
        forgiving = await bench.rerank(bad, on_failure=FailureMode.ORIGINAL_ORDER)
        assert forgiving.outcome is Outcome.PASSTHROUGH
        assert error.spec.reason in forgiving.outcome_reason
        assert [(r.index, r.scored) for r in forgiving.results] == [(0, False), (1, False)]
        assert len((await bench.rerank(documents(30))).results) == 30


async def test_non_finite_names_the_document() -> None:
    async with Bench() as bench:
        docs = documents(5)
        docs[3] = Document(text=NAN_WORD)
        with pytest.raises(NonFiniteScoreError) as caught:
            await bench.rerank(docs)
        assert caught.value.metadata["index"] == "3"


async def test_deadline_fails_and_frees_the_queue() -> None:
    async with Bench() as bench:
        await bench.rerank(documents(1))
        bench.backend.gate.clear()
        with pytest.raises(DeadlineExceededError):
            await bench.rerank(documents(500), soon())
        before = bench.backend.scored_pairs
        (model,) = bench.registry.loaded()
        assert model.scheduler.status().documents == 0
        bench.backend.gate.set()
        await bench.rerank([Document(text="red")])
        assert bench.backend.scored_pairs == before + 1


class Turns(threading.Event):
    """A gate that lets one micro-batch through for each release."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        return self.turns.acquire(timeout=timeout)

    def set(self) -> None:
        super().set()
        self.turns.release(1000)


async def test_partial_answers_before_the_deadline() -> None:
    async with Bench() as bench:
        await bench.rerank(documents(1))
        bench.backend.started.acquire()
        bench.backend.gate = gate = Turns()
        caller = soon(2.0)
        task = asyncio.create_task(bench.rerank(documents(500), caller, on_deadline=DeadlineMode.PARTIAL))
        await bench.batch_started()
        first_batch = len(bench.backend.batches[-1])
        gate.turns.release()
        await bench.batch_started()
        ranking = await task
        assert caller.deadline is not None
        assert time.monotonic() < caller.deadline
        assert ranking.outcome is Outcome.PARTIAL
        assert len(ranking.results) == 500
        assert ranking.usage.scored_documents >= first_batch
        scored = [r.scored for r in ranking.results]
        assert scored == sorted(scored, reverse=True)


async def test_cancelled_call_stops_within_one_micro_batch() -> None:
    async with Bench() as bench:
        await bench.rerank(documents(1))
        bench.backend.started.acquire()
        bench.backend.gate.clear()
        task = asyncio.create_task(bench.rerank(documents(800)))
        await bench.batch_started()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        bench.backend.gate.set()
        batches = len(bench.backend.batches)
        await bench.rerank([Document(text="red")])
        assert len(bench.backend.batches) <= batches + 2


async def test_full_queue_refuses_at_once_with_a_delay() -> None:
    async with Bench(Limits(max_queued_tokens=200)) as bench:
        bench.backend.gate.clear()
        task = asyncio.create_task(bench.rerank(documents(100)))
        await bench.batch_started()
        with pytest.raises(OverloadedError) as caught:
            await bench.rerank(documents(100))
        assert caught.value.retry_after_seconds
        bench.backend.gate.set()
        assert len((await task).results) == 100


async def test_what_the_caller_did_wrong_is_never_forgiven() -> None:
    async with Bench() as bench:
        for options, error in (
            ({"model": "other/model"}, ModelNotFoundError),
            ({"instruction": "be nice"}, InvalidRequestError),
            ({"top_n": -1}, InvalidRequestError),
        ):
            with pytest.raises(error):
                await bench.rerank(documents(2), on_failure=FailureMode.ORIGINAL_ORDER, **options)


async def test_batch_equals_single_calls_and_keeps_errors_apart() -> None:
    async with Bench() as bench:
        good = [Request(query=f"red word{i}", documents=documents(20)) for i in range(5)]
        bad = Request(query="", documents=documents(2))
        outcomes = await bench.engine.rerank_batch([*good[:2], bad, *good[2:]])
        assert isinstance(outcomes[2], InvalidRequestError)
        singles = [await bench.engine.rerank(request) for request in good]
        for outcome, single in zip([*outcomes[:2], *outcomes[3:]], singles, strict=True):
            assert isinstance(outcome, Ranking)
            assert outcome.results == single.results
        with pytest.raises(InvalidRequestError):
            await bench.engine.rerank_batch([])


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
async def test_stream_equals_unary(size: int) -> None:
    async with Bench() as bench:
        docs = documents(600) + documents(30)
        unary = await bench.rerank(docs, top_n=20)
        for emit in Emit:
            *events, summary = await bench.stream(chunked(docs, size), emit, top_n=20)
            assert isinstance(summary, Ranking)
            assert summary.results == unary.results
            assert summary.usage.documents == 630
            if emit is Emit.SCORES:
                scores = {
                    i: s
                    for e in events
                    if isinstance(e, Scores)
                    for i, s in zip(e.indexes, e.scores, strict=True)
                }
                assert scores == {
                    i: pytest.approx(sigmoid(expected_logit(QUERY, d.text))) for i, d in enumerate(docs)
                }
            if emit is Emit.SNAPSHOTS:
                assert isinstance(events[-1], Snapshot)
                assert events[-1].results == unary.results
                assert events[-1].scored <= events[-1].received <= 630
            if emit is Emit.SUMMARY_ONLY:
                assert not events


async def test_stream_without_top_n_ranks_everything_up_to_its_bound() -> None:
    async with Bench(Limits(max_stream_results=50)) as bench:
        docs = documents(80)
        (summary,) = await bench.stream(chunked(docs, 10))
        unary = await bench.rerank(docs, top_n=50)
        assert isinstance(summary, Ranking)
        assert tuple(summary.results) == unary.results
        assert "top_n" in summary.outcome_reason


@pytest.mark.parametrize(
    ("most", "documents_per_second", "ahead"),
    [(128, 0.0, 128), (2048, 0.0, 512), (2048, 20.0, 257), (2048, 20_000.0, 1256), (2048, 1e6, 2048)],
)
async def test_stream_reads_no_further_than_it_needs_to(
    most: int, documents_per_second: float, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScoringRun, "documents_per_second", documents_per_second)
    async with Bench(Limits(stream_window_documents=most)) as bench:
        await bench.rerank(documents(1))
        bench.backend.started.acquire()
        bench.backend.gate.clear()
        pulled = 0
        stalled = asyncio.Event()

        async def endless() -> AsyncIterator[Chunk]:
            nonlocal pulled
            for start in range(0, 6400, 32):
                pulled += 32
                if pulled > ahead - 32:
                    stalled.set()
                yield Chunk(indexes=range(start, start + 32), documents=documents(start + 32)[start:])

        task = asyncio.create_task(bench.stream(endless(), top_n=3))
        await bench.batch_started()
        await stalled.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        assert pulled <= ahead + 32
        bench.backend.gate.set()
        (summary,) = await task
        assert isinstance(summary, Ranking)
        assert summary.usage.scored_documents == 6400


async def test_a_stream_learns_how_fast_it_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bench() as bench:
        await bench.rerank(documents(300))
        model = await bench.registry.get("")
        assert isinstance(model, LocalModel)
        told: list[tuple[float, float]] = []

        def watched(documents_per_second: float, most: int) -> int:
            told.append((documents_per_second, model.scheduler.pace.tokens_per_second))
            return look_ahead(documents_per_second, most)

        monkeypatch.setattr(streaming, "look_ahead", watched)
        await bench.stream(chunked(documents(2000), 64), top_n=3)
        assert told[0][0] == 0.0
        assert told[-1][0] > 0.0
        # A query of 3 tokens, 3 special ones and 5 of the document.
        assert all(rate * 11 == pytest.approx(pace) for rate, pace in told if rate)


async def test_stream_ends_with_what_ended_its_reader() -> None:
    async with Bench() as bench:

        async def broken() -> AsyncIterator[Chunk]:
            yield Chunk(indexes=range(10), documents=documents(10))
            raise StreamProtocolError("two starts")

        async def empty() -> AsyncIterator[Chunk]:
            return
            yield  # an async generator that yields nothing

        with pytest.raises(StreamProtocolError):
            await bench.stream(broken(), top_n=1)
        with pytest.raises(InvalidRequestError, match="no documents"):
            await bench.stream(empty(), top_n=1)
        with pytest.raises(NonFiniteScoreError) as caught:
            await bench.stream(chunked([*documents(300), Document(text=NAN_WORD)], 50), top_n=1)
        assert caught.value.metadata["index"] == "300"
        assert len((await bench.rerank(documents(3))).results) == 3


async def test_stream_forgives_in_the_original_order() -> None:
    async with Bench() as bench:
        docs = [Document(id="bad", text=RAISE_WORD), *documents(900)]
        (summary,) = await bench.stream(chunked(docs, 40), top_n=4, on_failure=FailureMode.ORIGINAL_ORDER)
        assert isinstance(summary, Ranking)
        assert summary.outcome is Outcome.PASSTHROUGH
        assert [r.index for r in summary.results] == [0, 1, 2, 3]
        assert summary.usage.documents == 901


async def test_stream_forgives_a_model_that_cannot_be_loaded() -> None:
    async with Bench() as bench:

        def failing(model_id: str, report: object) -> FakeBackend:
            raise ModelFailedError("no ONNX file")

        bench.registry._loader = failing
        forgiving = {"on_failure": FailureMode.ORIGINAL_ORDER, "top_n": 3}
        (summary,) = await bench.stream(chunked(documents(100), 30), **forgiving)
        assert isinstance(summary, Ranking)
        assert summary.outcome is Outcome.PASSTHROUGH
        assert "MODEL_FAILED" in summary.outcome_reason
        assert [r.index for r in summary.results] == [0, 1, 2]
        assert summary.usage.documents == 100
        with pytest.raises(ModelFailedError):
            await bench.stream(chunked(documents(100), 30), top_n=3)


async def test_stream_partial_holds_every_received_document() -> None:
    async with Bench(Limits(stream_window_documents=64)) as bench:
        await bench.rerank(documents(1))
        bench.backend.gate.clear()

        async def then_silence() -> AsyncIterator[Chunk]:
            yield Chunk(indexes=range(200), documents=documents(200))
            await asyncio.Event().wait()

        (summary,) = await bench.stream(then_silence(), caller=soon(), on_deadline=DeadlineMode.PARTIAL)
        assert isinstance(summary, Ranking)
        assert summary.outcome is Outcome.PARTIAL
        assert sorted(r.index for r in summary.results) == list(range(200))


async def test_stream_left_early_stops_scoring() -> None:
    async with Bench() as bench:

        async def endless() -> AsyncIterator[Chunk]:
            number = 0
            while True:
                part = [Document(text=text(number + i)) for i in range(64)]
                yield Chunk(indexes=range(number, number + 64), documents=part)
                number += 64

        request = StreamRequest(query=QUERY, emit=Emit.SCORES)
        events = bench.engine.rerank_stream(request, endless())
        async for _ in events:
            break
        await events.aclose()
        (model,) = bench.registry.loaded()
        assert model.scheduler.status().documents == 0
        batches = len(bench.backend.batches)
        await bench.rerank([Document(text="red")])
        assert len(bench.backend.batches) <= batches + 2


async def test_a_thousand_first_calls_load_once() -> None:
    async with Bench() as bench:
        loads = 0
        load = fake_loader(bench.backend)

        def counting(model_id: str, report: object) -> FakeBackend:
            nonlocal loads
            loads += 1
            return load(model_id, report)  # type: ignore[arg-type]

        bench.registry._loader = counting
        rankings = await asyncio.gather(*(bench.rerank([Document(text="red")]) for _ in range(1000)))
        assert loads == 1
        assert len(rankings) == 1000


async def test_small_request_is_not_held_up_by_a_stream() -> None:
    """Counted in micro-batches, not in seconds: at most the one under way comes first."""
    async with Bench() as bench:
        await bench.rerank(documents(1))
        bench.backend.started.acquire()
        bench.backend.gate.clear()
        streaming = asyncio.create_task(bench.stream(chunked(documents(3000), 100), top_n=3))
        await bench.batch_started()
        small = asyncio.create_task(bench.rerank([Document(text="red once")], Caller(client="other")))
        (model,) = bench.registry.loaded()
        # Until the small request itself waits; the stream adds to the queue as well.
        while not any(t.queue.flow_key[0] == "other" and t.queue for t in model.scheduler._tickets.values()):
            await asyncio.sleep(0)
        bench.backend.gate.set()
        await small
        position = next(
            i for i, b in enumerate(bench.backend.batches) if any(p.text == "red once" for p in b)
        )
        assert position <= 3
        await streaming
