"""Texts handed to a model that is elsewhere: what it is given, and what becomes of its answers."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from support.fake_backend import RAISE_WORD, FakeBackend, expected_logit
from support.text_models import TextModel, catalogue_of, shared_words

from rerankd.backends.base import TextBackendTraits, TextCall, TextScores
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import (
    BackendFailedError,
    DeadlineExceededError,
    DrainingError,
    InvalidRequestError,
    ModelNotFoundError,
    NonFiniteScoreError,
    ProviderUnavailableError,
    RerankdError,
)
from rerankd.core.limits import Limits
from rerankd.core.registry import Registry
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.stream_events import Chunk, Emit, Scores, StreamRequest
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

QUERY = "red green"
TEXTS = ["blue", "red", "red green", "green one two", "red"]


def engine_of(*models: TextModel | FakeBackend, **policy: object) -> Engine:
    catalogue = catalogue_of(*models)
    registry = Registry(catalogue, catalogue.load, max_queued_tokens=10_000)
    return Engine(registry, Limits(), policy=RerankingPolicy(**policy))  # type: ignore[arg-type]


async def closing(engine: Engine) -> None:
    await engine.registry.close()
    engine.close()


def request(texts: Sequence[str] = TEXTS, **options: object) -> Request:
    return Request(
        query=QUERY,
        documents=[Document(text=text, id=f"id-{i}") for i, text in enumerate(texts)],
        options=Options(**options),  # type: ignore[arg-type]
    )


def raising(error: Exception) -> object:
    def answer(call: TextCall) -> TextScores:
        raise error

    return answer


async def stream(
    engine: Engine,
    texts: Sequence[str],
    *,
    size: int = 3,
    first_index: int = 0,
    emit: Emit = Emit.SCORES,
    caller: Caller = Caller(),  # noqa: B008 - immutable
    **options: object,
) -> tuple[list[Scores], Ranking]:
    async def chunks() -> AsyncIterator[Chunk]:
        for start in range(0, len(texts), size):
            part = texts[start : start + size]
            first = first_index + start
            yield Chunk(
                indexes=range(first, first + len(part)), documents=[Document(text=text) for text in part]
            )

    wanted = StreamRequest(query=QUERY, options=Options(**options), emit=emit)  # type: ignore[arg-type]
    events = [event async for event in engine.rerank_stream(wanted, chunks(), caller)]
    ranking = events.pop()
    assert isinstance(ranking, Ranking)
    return [event for event in events if isinstance(event, Scores)], ranking


async def test_scores_are_passed_on_as_they_are() -> None:
    model = TextModel()
    engine = engine_of(model)
    for raw in (False, True):
        ranking = await engine.rerank(request(raw_scores=raw))
        assert [(r.index, r.score) for r in ranking.results] == [
            (2, 18.0),
            (1, 9.0),
            (4, 9.0),
            (3, 7.0),
            (0, -1.0),
        ]
        assert all(result.logit is None and result.scored for result in ranking.results)
        assert model.calls[-1].raw_scores is raw
    assert ranking.model.backend == "plugin"
    assert ranking.usage.deduplicated == 1
    assert ranking.usage.scored_documents == 5
    await closing(engine)
    assert model.closed


async def test_a_unary_call_hands_over_all_texts_at_once() -> None:
    model = TextModel(traits=TextBackendTraits(chunk_documents=2))
    engine = engine_of(model)
    texts = [f"red {i}" for i in range(300)]
    await engine.rerank(request(texts))
    assert [list(call.texts) for call in model.calls] == [texts]
    await closing(engine)


async def test_a_stream_hands_over_in_parts_and_leaves_calls_free() -> None:
    model = TextModel(traits=TextBackendTraits(chunk_documents=50, max_concurrency=6))
    engine = engine_of(model)
    texts = [f"red {'green ' * (i % 7)}{i}" for i in range(1000)]
    events, ranking = await stream(engine, texts, size=100)
    assert sorted(text for call in model.calls for text in call.texts) == sorted(texts)
    assert max(len(call.texts) for call in model.calls) <= 50
    assert model.most_running <= 3
    best = sorted(range(1000), key=lambda i: (-shared_words(QUERY, texts[i]), i))
    assert [result.index for result in ranking.results] == best
    assert sorted(i for event in events for i in event.indexes) == list(range(1000))
    assert not any(event.logits for event in events)
    await closing(engine)


async def test_a_fast_model_does_not_make_a_message_of_every_few_documents() -> None:
    engine = engine_of(FakeBackend())
    started = time.monotonic()
    events, _ = await stream(engine, [f"red {i}" for i in range(2000)], size=128)
    elapsed = time.monotonic() - started
    # 64 scores are enough for one, else five milliseconds have to pass.
    assert len(events) <= 2000 / 64 + elapsed / 0.005 + 2
    assert sum(len(event.indexes) for event in events) == 2000
    await closing(engine)


async def test_equal_scores_keep_their_order_in_a_stream_without_top_n() -> None:
    engine = engine_of(TextModel())
    _, ranking = await stream(engine, ["red"] * 3 + ["red green"] + ["red x"] * 3, min_score=9.0)
    assert [(result.index, result.score) for result in ranking.results] == [(3, 18.0), (0, 9), (1, 9), (2, 9)]
    await closing(engine)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda call: TextScores(scores=[1.0] * (len(call.texts) - 1)), BackendFailedError),
        (lambda call: TextScores(scores=[1.0] * (len(call.texts) + 1)), BackendFailedError),
        (
            lambda call: TextScores(scores=[1.0] * len(call.texts), passages=[(0, 1)]),
            BackendFailedError,
        ),
        (lambda call: TextScores(scores=[math.nan] * len(call.texts)), NonFiniteScoreError),
        (raising(ValueError("its own fault")), BackendFailedError),
        (raising(TimeoutError()), ProviderUnavailableError),
        (raising(ProviderUnavailableError("down", retry_after_seconds=3.0)), ProviderUnavailableError),
    ],
)
async def test_a_wrong_answer_fails_its_own_request_only(answer: object, kind: type[RerankdError]) -> None:
    model = TextModel()
    model.answer = answer  # type: ignore[assignment]
    engine = engine_of(model)
    with pytest.raises(kind) as failed:
        await engine.rerank(request())
    assert "its own fault" not in failed.value.message
    with pytest.raises(kind):
        await stream(engine, TEXTS)
    model.answer = None
    assert (await engine.rerank(request())).results[0].index == 2
    await closing(engine)


async def test_a_slow_answer_ends_at_the_servers_bound_or_the_callers_deadline() -> None:
    model = TextModel()
    model.hold.clear()
    engine = engine_of(model, timeout_seconds=0.01)
    with pytest.raises(ProviderUnavailableError):
        await engine.rerank(request())
    loop = asyncio.get_running_loop()
    engine.adopt(RerankingPolicy(timeout_seconds=60.0))
    with pytest.raises(DeadlineExceededError):
        await engine.rerank(request(), Caller(deadline=loop.time() + 0.05))
    partial = await engine.rerank(
        request(on_deadline=DeadlineMode.PARTIAL), Caller(deadline=loop.time() + 0.3)
    )
    assert partial.outcome is Outcome.PARTIAL
    await closing(engine)
    assert model.running == 0


async def test_a_caller_who_leaves_frees_the_call() -> None:
    model = TextModel(traits=TextBackendTraits(max_concurrency=1))
    model.hold.clear()
    engine = engine_of(model)
    gone = asyncio.create_task(engine.rerank(request()))
    await model.entered.acquire()
    waiting = asyncio.create_task(engine.rerank(request()))
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await model.entered.acquire()
    assert model.cancelled == 1
    model.hold.set()
    assert (await waiting).results[0].index == 2
    await closing(engine)


async def test_closing_fails_what_is_under_way() -> None:
    model = TextModel()
    model.hold.clear()
    engine = engine_of(model)
    call = asyncio.create_task(engine.rerank(request()))
    await model.entered.acquire()
    await closing(engine)
    with pytest.raises(DrainingError):
        await call
    assert model.closed


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"instruction": "be strict"}, "options.instruction"),
        ({"max_tokens_per_document": 5}, "options.max_tokens_per_document"),
    ],
)
async def test_what_the_model_cannot_do_is_refused(options: dict[str, object], field: str) -> None:
    engine = engine_of(TextModel())
    with pytest.raises(InvalidRequestError) as refused:
        await engine.rerank(request(**options))
    assert refused.value.field == field
    await closing(engine)


async def test_what_the_model_can_do_is_handed_on() -> None:
    model = TextModel()
    engine = engine_of(model)
    await engine.rerank(request(long_document=LongDocument.TRUNCATE_START))
    assert model.calls[-1].long_document is LongDocument.TRUNCATE_START
    await closing(engine)


async def test_a_listwise_model_ranks_no_stream() -> None:
    model = TextModel(traits=TextBackendTraits(comparable=False))
    engine = engine_of(model)
    with pytest.raises(InvalidRequestError, match="neighbours"):
        await stream(engine, TEXTS)
    assert (await engine.rerank(request())).outcome is Outcome.RERANKED
    await closing(engine)


async def test_what_a_provider_bills_is_counted() -> None:
    model = TextModel(is_cloud=True)
    model.answer = lambda call: TextScores(
        scores=[1.0] * len(call.texts), tokens=7, units=2, units_estimated=True, cost_usd=0.5
    )
    engine = engine_of(model, cloud_top_n=3)
    usage = (await engine.rerank(request(["a", "b", "c", "d"], max_scored_documents=0))).usage
    assert (usage.tokens, usage.provider_units, usage.provider_cost) == (7, 2, 0.5)
    assert usage.provider_units_estimated
    assert (usage.documents, usage.scored_documents) == (4, 3)
    assert len(model.calls[0].texts) == 3
    await closing(engine)


async def test_the_operators_cut_is_told_as_truncation() -> None:
    model = TextModel()
    engine = engine_of(model, snippet_chars=4)
    ranking = await engine.rerank(request(["red", "blue red", "bluebird"]))
    assert list(model.calls[0].texts) == ["red", "blue"]
    assert ranking.usage.truncated_documents == 2
    assert ranking.usage.deduplicated == 1
    await closing(engine)


@pytest.mark.parametrize("mode", [None, FailureMode.ORIGINAL_ORDER])
async def test_the_next_model_answers_and_the_reply_says_so(mode: FailureMode | None) -> None:
    first, second, local = TextModel("text/first"), TextModel("text/second"), FakeBackend()
    first.answer = raising(ProviderUnavailableError("down"))  # type: ignore[assignment]
    second.answer = raising(ValueError("broken"))  # type: ignore[assignment]
    engine = engine_of(first, second, local, fallback_models=("text/second", "text/first", local.id))
    ranking = await engine.rerank(request(on_failure=mode))
    assert ranking.outcome is Outcome.RERANKED
    assert ranking.model.id == local.id
    assert ranking.outcome_reason.startswith(
        "FALLBACK: test/fake stood in for text/first: PROVIDER_UNAVAILABLE: "
    )
    assert ranking.results[0].logit == expected_logit(QUERY, "red green")
    assert engine.outcomes[Outcome.RERANKED, "FALLBACK"] == 1
    assert len(first.calls) == 1
    await closing(engine)


async def test_a_caller_who_wants_the_failure_gets_it() -> None:
    first, second = TextModel("text/first"), TextModel("text/second")
    first.answer = raising(ProviderUnavailableError("down"))  # type: ignore[assignment]
    engine = engine_of(first, second, fallback_models=("text/second",), on_failure=FailureMode.ORIGINAL_ORDER)
    with pytest.raises(ProviderUnavailableError):
        await engine.rerank(request(on_failure=FailureMode.FAIL))
    assert not second.calls
    await closing(engine)


async def test_when_every_model_fails_the_servers_rule_holds() -> None:
    first, second = TextModel("text/first"), TextModel("text/second")
    for model in (first, second):
        model.answer = raising(ProviderUnavailableError(f"{model.id} is down"))  # type: ignore[assignment]
    engine = engine_of(first, second, fallback_models=("text/second", "text/unknown"))
    with pytest.raises(ProviderUnavailableError, match="text/first is down"):
        await engine.rerank(request())
    engine.adopt(RerankingPolicy(fallback_models=("text/second",), on_failure=FailureMode.ORIGINAL_ORDER))
    ranking = await engine.rerank(request(top_n=2))
    assert ranking.outcome is Outcome.PASSTHROUGH
    assert ranking.outcome_reason == "PROVIDER_UNAVAILABLE: text/first is down"
    assert [(result.index, result.scored) for result in ranking.results] == [(0, False), (1, False)]
    await closing(engine)


async def test_what_the_caller_did_wrong_is_nobody_elses_to_answer() -> None:
    first, second = TextModel("text/first"), TextModel("text/second")
    engine = engine_of(first, second, fallback_models=("text/second",))
    with pytest.raises(InvalidRequestError):
        await engine.rerank(request(instruction="be strict"))
    assert not second.calls
    await closing(engine)


async def test_none_as_the_last_stand_in_leaves_the_order() -> None:
    model = TextModel()
    model.answer = raising(ProviderUnavailableError("down"))  # type: ignore[assignment]
    engine = engine_of(model, fallback_models=("none",))
    ranking = await engine.rerank(request())
    assert (ranking.outcome, ranking.outcome_reason) == (Outcome.PASSTHROUGH, "PROVIDER_UNAVAILABLE: down")
    await closing(engine)


async def test_none_as_the_stand_in_leaves_the_order_of_a_stream() -> None:
    broken, unused = TextModel("text/first"), TextModel("text/second")

    async def refuse(report: object) -> None:
        raise ProviderUnavailableError("not today")

    broken.start = refuse  # type: ignore[method-assign]
    engine = engine_of(broken, unused, fallback_models=("none", "text/second"))
    events, ranking = await stream(engine, TEXTS)
    unary = await engine.rerank(request())
    assert ranking.outcome is unary.outcome is Outcome.PASSTHROUGH
    assert ranking.outcome_reason == unary.outcome_reason
    assert ranking.outcome_reason == "PROVIDER_UNAVAILABLE: not today"
    assert [i for event in events for i in event.unscored] == [0, 1, 2, 3, 4]
    assert not unused.calls
    await closing(engine)


async def test_a_stand_in_takes_over_a_stream_before_it_begins() -> None:
    broken, second = TextModel("text/first"), TextModel("text/second")

    async def refuse(report: object) -> None:
        raise ProviderUnavailableError("not today")

    broken.start = refuse  # type: ignore[method-assign]
    engine = engine_of(broken, second, fallback_models=("text/second",))
    events, ranking = await stream(engine, TEXTS)
    assert broken.closed
    assert ranking.outcome_reason.startswith("FALLBACK: text/second stood in for text/first: ")
    assert events[0].model is not None
    assert events[0].model.id == "text/second"
    await closing(engine)


async def test_a_model_that_fails_in_mid_stream_leaves_the_rest_unscored() -> None:
    engine = engine_of(FakeBackend(), on_failure=FailureMode.ORIGINAL_ORDER)
    texts = ["red", "green", RAISE_WORD, *(f"red {i}" for i in range(500))]
    events, ranking = await stream(engine, texts)
    told = [i for event in events for i in (*event.indexes, *event.unscored)]
    assert sorted(told) == list(range(len(texts)))
    assert ranking.outcome is Outcome.PASSTHROUGH
    assert [result.index for result in ranking.results] == list(range(len(texts)))
    await closing(engine)


async def test_the_model_none_answers_in_the_order_that_came() -> None:
    engine = engine_of(FakeBackend(), default_model="none")
    ranking = await engine.rerank(request(top_n=3, min_score=0.5, return_documents=True))
    assert (ranking.outcome, ranking.model.id, ranking.model.backend) == (Outcome.PASSTHROUGH, "none", "none")
    assert ranking.outcome_reason.startswith("NONE: ")
    assert [(r.index, r.rank, r.document.text if r.document else "") for r in ranking.results] == [
        (0, 1, "blue"),
        (1, 2, "red"),
        (2, 3, "red green"),
    ]
    events, streamed = await stream(engine, TEXTS)
    assert [i for event in events for i in event.unscored] == [0, 1, 2, 3, 4]
    assert events[0].model == streamed.model == ranking.model
    assert streamed.outcome is Outcome.PASSTHROUGH
    assert (await engine.rerank(request(model="test/fake"))).outcome is Outcome.RERANKED
    assert engine.outcomes == {
        (Outcome.PASSTHROUGH, "NONE"): 2,
        (Outcome.RERANKED, ""): 1,
    }
    await closing(engine)


async def test_a_stream_tells_what_the_operator_does_not_let_it_score() -> None:
    engine = engine_of(FakeBackend(), max_scored_documents=2)
    events, ranking = await stream(engine, TEXTS)
    assert [i for event in events for i in event.unscored] == [2, 3, 4]
    assert [(result.index, result.scored) for result in ranking.results] == [
        (1, True),
        (0, True),
        (2, False),
        (3, False),
        (4, False),
    ]
    _, more = await stream(engine, TEXTS, max_scored_documents=4)
    assert more.usage.scored_documents == 4
    await closing(engine)


async def test_a_stream_that_goes_on_does_not_begin_to_count_the_operators_bound_anew() -> None:
    engine = engine_of(FakeBackend(), max_scored_documents=5)
    _, ranking = await stream(engine, TEXTS, first_index=3)
    assert [result.index for result in ranking.results if result.scored] == [4, 3]
    await closing(engine)


async def test_a_name_that_the_provider_does_not_know_is_forgotten() -> None:
    model = TextModel(is_cloud=True)
    model.answer = raising(ModelNotFoundError("no such model"))  # type: ignore[assignment]
    engine = engine_of(model, FakeBackend())
    await engine.rerank(request(model="test/fake"))
    with pytest.raises(ModelNotFoundError):
        await engine.rerank(request())
    assert [report.id for report in engine.registry.reports()] == ["test/fake"]
    with pytest.raises(ModelNotFoundError):
        await stream(engine, TEXTS)
    assert [report.id for report in engine.registry.reports()] == ["test/fake"]
    await closing(engine)
    assert model.closed


async def test_a_server_that_goes_down_forgives_only_who_asked_for_it() -> None:
    for mode in (None, FailureMode.ORIGINAL_ORDER):
        model = TextModel()
        model.hold.clear()
        engine = engine_of(model, on_failure=FailureMode.ORIGINAL_ORDER)
        call = asyncio.create_task(engine.rerank(request(on_failure=mode)))
        await model.entered.acquire()
        await closing(engine)
        if mode is None:
            with pytest.raises(DrainingError):
                await call
        else:
            assert (await call).outcome is Outcome.PASSTHROUGH


async def test_a_call_ends_with_the_policy_that_it_began_with() -> None:
    model = TextModel()
    model.hold.clear()
    engine = engine_of(model, FakeBackend(), default_model="text/fake", max_scored_documents=1)
    call = asyncio.create_task(engine.rerank(request()))
    await model.entered.acquire()
    engine.adopt(RerankingPolicy(default_model="test/fake", max_scored_documents=3))
    assert (await engine.rerank(request())).model.id == "test/fake"
    model.hold.set()
    ranking = await call
    assert (ranking.model.id, ranking.usage.scored_documents) == ("text/fake", 1)
    await closing(engine)
