"""Interrupted streams of both Python clients give what streams without interruption give."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.both_clients import BOTH, QUERY, call, comparable, documents
from support.interrupted import Break, InterruptedServer, Plan

from rerankd.client import (
    AsyncClient,
    BackendFailedError,
    CancelledError,
    Client,
    DrainingError,
    InvalidRequestError,
    ModelChangedError,
    RerankResponse,
    ScoreChunk,
    Snapshot,
    UnavailableError,
)
from rerankd.client import _resume as resume


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(resume, "LONGEST_DELAY_SECONDS", 0.002)


def uninterrupted(
    kind: str, docs: Sequence[Any], unscored_from: int | None = None, **options: Any
) -> RerankResponse:
    with InterruptedServer(Plan(seed=99, unscored_from=unscored_from)) as server:
        return comparable(call(kind, server.target, docs, **options)[0])


OPTIONS: list[dict[str, Any]] = [
    {},
    {"top_n": 7, "return_documents": True},
    {"min_score": 0.3},
    {"raw_scores": True, "min_score": -0.5, "top_n": 30},
    {"max_scored_documents": 33},
    {"max_scored_documents": 33, "top_n": 40},
    {"return_documents": True},
]


@BOTH
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_answer_equals_that_without_interruption(kind: str, options: dict[str, Any]) -> None:
    docs = documents(60)
    plan = Plan(breaks=[Break(after=17), Break(after=1, reason=""), Break(after=0), Break(after=9)])
    with InterruptedServer(plan) as server:
        response, events, resumes = call(kind, server.target, docs, **options)
    assert resumes == 4
    assert not events
    assert comparable(response) == uninterrupted(kind, docs, **options)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_interruptions_give_the_same_answer(data: st.DataObject) -> None:
    docs = documents(data.draw(st.integers(1, 90), "count"))
    breaks = data.draw(st.lists(st.integers(0, 40).map(lambda n: Break(after=n)), max_size=6), "breaks")
    options = data.draw(st.sampled_from(OPTIONS), "options")
    # Three attempts without any score are the most at the beginning.
    while len(breaks) > 2 and all(planned.after == 0 for planned in breaks[:3]):
        breaks = breaks[1:]
    unscored_from = data.draw(st.none() | st.integers(1, 90), "unscored_from")
    window = data.draw(st.integers(1, 20), "window")
    with InterruptedServer(Plan(breaks=breaks, window=window, unscored_from=unscored_from)) as server:
        response, _, _ = call("sync", server.target, docs, **options)
    assert comparable(response) == uninterrupted("sync", docs, unscored_from, **options)


@BOTH
def test_each_score_comes_once_and_snapshots_go_on(kind: str) -> None:
    docs = documents(50)
    plan = Plan(breaks=[Break(after=20), Break(after=11)])
    with InterruptedServer(plan) as server:
        response, chunks, _ = call(kind, server.target, docs, emit="scores")
    assert all(isinstance(chunk, ScoreChunk) for chunk in chunks)
    scores = [entry for chunk in chunks for entry in zip(chunk.index, chunk.score, strict=True)]
    assert sorted(scores) == sorted((r.index, r.score) for r in response.results)
    with InterruptedServer(plan) as server:
        response, snapshots, _ = call(
            kind, server.target, docs, emit="snapshots", top_n=5, snapshot_interval_seconds=0
        )
    assert all(isinstance(snapshot, Snapshot) for snapshot in snapshots)
    assert [r.id for r in snapshots[-1].results] == [r.id for r in response.results]
    counts = [snapshot.scored for snapshot in snapshots]
    assert counts == sorted(counts)


@BOTH
def test_only_what_is_unscored_is_sent_again(kind: str) -> None:
    with InterruptedServer(Plan(breaks=[Break(after=20)], window=16)) as server:
        call(kind, server.target, documents(100), emit="scores")
        first, second = server.streams
    assert first.indexes == list(range(len(first.indexes)))
    assert second.indexes == sorted(second.indexes)
    assert len(second.indexes) == 80
    assert set(first.indexes) | set(second.indexes) == set(range(100))
    # Twice the server's window is the most that is sent and not scored.
    assert len(set(first.indexes) & set(second.indexes)) <= 32


@BOTH
@pytest.mark.parametrize(
    ("attempts", "breaks", "streams"),
    [
        (8, [Break(after=0)] * 20, 3),
        (8, [Break(after=5)] + [Break(after=0)] * 20, 9),
        (2, [Break(after=5)] + [Break(after=0)] * 20, 3),
        (0, [Break(after=5)] * 20, 1),
        (8, [Break(after=5, code=grpc.StatusCode.INTERNAL, reason="BACKEND_FAILED")], 1),
    ],
)
def test_it_gives_up_with_the_last_error(kind: str, attempts: int, breaks: list[Break], streams: int) -> None:
    expected = DrainingError if breaks[-1].reason == "DRAINING" else BackendFailedError
    with InterruptedServer(Plan(breaks=breaks)) as server:
        with pytest.raises(expected):
            call(kind, server.target, documents(60), client={"resume_attempts": attempts})
        assert len(server.streams) == streams


@BOTH
def test_a_stream_that_a_stopping_server_cancels_goes_on(kind: str) -> None:
    plan = Plan(breaks=[Break(after=5, code=grpc.StatusCode.CANCELLED, reason="")])
    with InterruptedServer(plan) as server:
        response, _, resumes = call(kind, server.target, documents(60))
    assert resumes == 1
    assert comparable(response) == uninterrupted(kind, documents(60))


async def test_a_closed_client_ends_its_streams() -> None:
    plan = Plan(breaks=[Break(after=3, retry_seconds=1)] * 9)
    with InterruptedServer(plan) as server:
        client = Client(server.target)
        stream = client.rerank_stream(QUERY, documents(30), emit="scores")
        next(stream)
        client.close()
        with pytest.raises(CancelledError):
            list(stream)
        aclient = AsyncClient(server.target)
        async with aclient.rerank_stream(QUERY, documents(30), emit="scores") as astream:
            await anext(astream)
            await aclient.close()
            with pytest.raises(CancelledError):
                async for _ in astream:
                    pass


@BOTH
def test_a_server_that_tells_no_model_is_too_old_to_go_on_at(kind: str) -> None:
    plan = Plan(breaks=[Break(after=5)], tells_model=False)
    with InterruptedServer(plan) as server:
        with pytest.raises(DrainingError):
            call(kind, server.target, documents(60))
        assert len(server.streams) == 1
        # Before any score, nothing would have to be compared.
        server.plan = Plan(breaks=[Break(after=5), Break(after=0)], tells_model=False)
        response, _, resumes = call(kind, server.target, documents(60))
    assert resumes == 1
    assert sum(r.scored for r in response.results) == 60


@BOTH
def test_another_revision_of_the_model_fails_the_stream(kind: str) -> None:
    plan = Plan(breaks=[Break(after=5)], revisions=["r1", "r2"])
    with InterruptedServer(plan) as server, pytest.raises(ModelChangedError) as caught:
        call(kind, server.target, documents(60))
    assert caught.value.metadata == {"before": "test/fake@r1", "now": "test/fake@r2"}
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


@BOTH
@pytest.mark.parametrize("top_n", [0, 3])
def test_original_order_stands_for_a_failure_that_no_attempt_mends(kind: str, top_n: int) -> None:
    plan = Plan(breaks=[Break(after=5, code=grpc.StatusCode.INTERNAL, reason="BACKEND_FAILED")])
    with InterruptedServer(plan) as server:
        response, _, _ = call(kind, server.target, documents(200), on_failure="original_order", top_n=top_n)
    assert [r.index for r in response.results] == list(range(top_n or 200))
    assert not any(r.scored for r in response.results)
    assert response.outcome_reason == "BACKEND_FAILED: ended by the plan"
    assert response.usage.documents == 200
    assert response.usage.scored_documents == 0


@BOTH
def test_original_order_does_not_stand_for_a_lost_server(kind: str) -> None:
    plan = Plan(breaks=[Break(after=5, reason="")] + [Break(after=0, reason="")] * 9)
    with InterruptedServer(plan) as server, pytest.raises(UnavailableError):
        call(kind, server.target, documents(60), on_failure="original_order")


@BOTH
def test_a_deadline_between_two_attempts_gives_a_partial_answer(kind: str) -> None:
    plan = Plan(breaks=[Break(after=21, retry_seconds=600)])
    with InterruptedServer(plan) as server:
        response, _, _ = call(
            kind, server.target, documents(60), on_deadline="partial", timeout_seconds=60, top_n=50
        )
    assert sum(r.scored for r in response.results) == 21
    unscored = [r.index for r in response.results if not r.scored]
    assert unscored == sorted(unscored)
    assert response.outcome_reason == "the deadline came first"
    with InterruptedServer(plan) as server, pytest.raises(DrainingError):
        call(kind, server.target, documents(60), timeout_seconds=60)


@BOTH
def test_a_stream_that_breaks_after_its_last_score_has_its_answer(kind: str) -> None:
    docs = documents(10)
    with InterruptedServer(Plan(breaks=[Break(after=10)], window=1)) as server:
        response, _, resumes = call(kind, server.target, docs)
        assert len(server.streams) == 1 + resumes
    assert comparable(response) == uninterrupted(kind, docs)


def test_a_slow_iterable_keeps_the_document_that_it_was_making() -> None:
    """The thread of the first attempt is still in the iterable when the second attempt begins."""
    broken, resumed = threading.Event(), threading.Event()

    def slow() -> Iterator[dict[str, object]]:
        for number, document in enumerate(documents(30)):
            if number == 20:
                assert broken.wait(60)
                assert resumed.wait(60)
            yield document

    class Told(InterruptedServer):
        def RerankStream(self, request_iterator: Any, context: Any) -> Iterator[Any]:
            (resumed if self.streams else broken).set()
            return super().RerankStream(request_iterator, context)

    with Told(Plan(breaks=[Break(after=3)], window=1)) as server, Client(server.target) as client:
        response = client.rerank_stream(QUERY, slow(), chunk_documents=1).summary()
    assert comparable(response) == uninterrupted("sync", documents(30))


async def test_an_async_iterable_is_not_cut_by_an_interruption() -> None:
    resumed = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def slow() -> AsyncIterator[dict[str, object]]:
        for number, document in enumerate(documents(30)):
            if number == 20:
                await resumed.wait()
            yield document

    class Told(InterruptedServer):
        def RerankStream(self, request_iterator: Any, context: Any) -> Iterator[Any]:
            if self.streams:
                loop.call_soon_threadsafe(resumed.set)
            return super().RerankStream(request_iterator, context)

    with Told(Plan(breaks=[Break(after=3)], window=1)) as server:
        async with (
            AsyncClient(server.target) as client,
            client.rerank_stream(QUERY, slow(), chunk_documents=1) as stream,
        ):
            response = await stream.summary()
    assert comparable(response) == await asyncio.to_thread(uninterrupted, "sync", documents(30))


@BOTH
def test_what_the_client_cannot_do_itself_is_refused(kind: str) -> None:
    with InterruptedServer(Plan()) as server:
        for top_n in (0, 1001):
            with pytest.raises(InvalidRequestError, match="with snapshots"):
                call(kind, server.target, documents(3), emit="snapshots", top_n=top_n)


def test_closing_a_stream_ends_its_wait_for_the_next_attempt() -> None:
    plan = Plan(breaks=[Break(after=3, retry_seconds=600)])
    with InterruptedServer(plan) as server, Client(server.target) as client:
        stream = client.rerank_stream(QUERY, documents(30), emit="scores")
        next(stream)
        closer = threading.Thread(target=stream.close)
        closer.start()
        with pytest.raises(CancelledError):
            list(stream)
        closer.join()
