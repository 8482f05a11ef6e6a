"""A key's tokens: the bucket, what is under way, debts, and streams that are slowed down."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_backend import FakeBackend, FakeCatalogue
from support.servers import fake_config, fake_engine

from rerankd.assembly import build_engine
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import ForbiddenError, RerankdError
from rerankd.core.quota import KeyQuotaError, Quota, StreamMeter, reserved
from rerankd.core.stream_events import Chunk, StreamRequest
from rerankd.core.types import Caller, DeadlineMode, Document, FailureMode, Options


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_has_so_many_tokens_and_no_more() -> None:
    clock = Clock()
    quota = Quota("k", tokens_per_minute=600, clock=clock)
    quota.enter(500)
    quota.leave(500, 500)
    with pytest.raises(KeyQuotaError) as caught:
        quota.enter(200)
    assert caught.value.retry_after_seconds == pytest.approx(10)
    assert caught.value.metadata == {"key": "k", "quota": "tokens_per_minute", "limit": "600"}
    clock.now += 9.9
    with pytest.raises(KeyQuotaError):
        quota.enter(200)
    clock.now += 0.1
    quota.enter(200)


def test_estimates_are_corrected_by_what_was_scored() -> None:
    quota = Quota("k", tokens_per_minute=600, clock=Clock())
    with reserved(quota, 600, lambda: 100), pytest.raises(KeyQuotaError):
        quota.enter(1)
    quota.enter(500)
    with pytest.raises(KeyQuotaError):
        quota.enter(1)


def test_no_size_is_impossible_and_debts_are_paid() -> None:
    clock = Clock()
    quota = Quota("k", tokens_per_minute=600, clock=clock)
    with reserved(quota, 6000, lambda: 6000):
        pass
    with pytest.raises(KeyQuotaError) as caught:
        quota.enter(1)
    assert caught.value.retry_after_seconds == pytest.approx(540.1)


def test_only_so_much_is_under_way() -> None:
    quota = Quota("k", concurrent_tokens=100)
    quota.enter(80)
    with pytest.raises(KeyQuotaError, match="80 of at most 100 tokens") as caught:
        quota.enter(30)
    assert (caught.value.retry_after_seconds, caught.value.metadata["quota"]) == (1.0, "concurrent_tokens")
    quota.leave(80, 80)
    # Alone, even what is larger than the bound gets through.
    quota.enter(300)


def test_other_bounds_hold_at_once() -> None:
    quota = Quota("k", tokens_per_minute=100, clock=Clock())
    quota.enter(100)
    quota.adjust(tokens_per_minute=150, concurrent_tokens=0)
    quota.enter(50)
    quota.adjust(tokens_per_minute=0, concurrent_tokens=0)
    quota.enter(10**9)


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 30), st.booleans()), max_size=60))
def test_no_course_of_calls_gets_more_than_the_rate(steps: list[tuple[int, float, bool]]) -> None:
    clock, largest, taken = Clock(), 0, 0
    quota = Quota("k", tokens_per_minute=600, clock=clock)
    begun = clock.now
    for tokens, pause, _ in steps:
        clock.now += pause
        try:
            with reserved(quota, tokens, lambda tokens=tokens: tokens):  # type: ignore[misc]
                taken += tokens
                largest = max(largest, tokens)
        except KeyQuotaError as error:
            clock.now += (error.retry_after_seconds or 0.0) + 1e-6
            quota.check(tokens)
        assert taken <= 600 + 600 * (clock.now - begun) / 60 + 1e-3
    assert quota.reserved_tokens == 0


async def test_streams_wait_for_their_turn() -> None:
    quota = Quota("k", concurrent_tokens=100)
    first, second = StreamMeter(quota), StreamMeter(quota)
    await first.enter({0: 60, 1: 40})
    waiting = asyncio.create_task(second.enter({0: 50}))
    await asyncio.sleep(0)
    assert not waiting.done()
    first.leave(0)
    await waiting
    assert quota.reserved_tokens == 90
    first.close()
    second.close()
    assert quota.reserved_tokens == 0


async def test_a_stream_begins_while_others_of_its_key_are_under_way() -> None:
    engine = fake_engine(FakeBackend(), fake_config())
    quota = Quota("k", concurrent_tokens=50)
    quota.enter(50)
    ranking = asyncio.create_task(stream(engine, Caller(client="k", quota=quota), 10))
    await asyncio.sleep(0)
    quota.leave(50, 50)
    assert await ranking == 10
    await engine.registry.close()


async def test_a_deadline_finds_what_waits_for_the_quota() -> None:
    engine = fake_engine(FakeBackend(), fake_config())
    quota = Quota("k", tokens_per_minute=100, clock=Clock())
    caller = Caller(client="k", quota=quota, deadline=time.monotonic() + 1.0)
    # The first slice takes what the minute has, and the next one would wait for ever.
    ranked = await stream(engine, caller, 128, on_deadline=DeadlineMode.PARTIAL)
    assert ranked == 128
    assert quota.reserved_tokens == 0
    await engine.registry.close()


async def test_streams_get_what_the_minute_brings() -> None:
    quota = Quota("k", tokens_per_minute=60_000)
    await quota.enter_in_turn(60_000)
    # Ten milliseconds' worth.
    await quota.enter_in_turn(10)
    assert quota.reserved_tokens == 60_010


def documents(count: int) -> list[Document]:
    return [Document(text=f"red {n}") for n in range(count)]


async def rank(engine: Engine, caller: Caller, model: str = "", count: int = 3, **options: object) -> object:
    request = Request(
        query="red",
        documents=documents(count),
        options=Options(model=model, **options),  # type: ignore[arg-type]
    )
    return await engine.rerank(request, caller)


async def test_the_engine_counts_what_it_scores() -> None:
    engine = fake_engine(FakeBackend(), fake_config())
    quota = Quota("k", tokens_per_minute=1000, clock=Clock())
    caller = Caller(client="k", quota=quota)
    first = await engine.rerank(Request(query="red", documents=documents(3)), caller)
    assert quota.reserved_tokens == 0
    quota.check(1000 - first.usage.tokens)
    with pytest.raises(KeyQuotaError):
        quota.check(1001 - first.usage.tokens)
    await engine.registry.close()


@pytest.mark.parametrize("on_failure", list(FailureMode))
async def test_a_used_up_key_is_refused_whatever_stands_in(on_failure: FailureMode) -> None:
    engine = fake_engine(FakeBackend(), fake_config())
    quota = Quota("k", tokens_per_minute=10, clock=Clock())
    quota.enter(10)
    with pytest.raises(KeyQuotaError):
        await rank(engine, Caller(client="k", quota=quota), on_failure=on_failure)
    with pytest.raises(KeyQuotaError):
        await stream(engine, Caller(client="k", quota=quota), 3)
    await engine.registry.close()


async def stream(engine: Engine, caller: Caller, count: int, **options: object) -> int:
    async def chunks() -> object:
        for begin in range(0, count, 64):
            part = range(begin, min(count, begin + 64))
            yield Chunk(indexes=part, documents=[Document(text=f"red {n}") for n in part])

    events = engine.rerank_stream(
        StreamRequest(query="red", options=Options(**options)),  # type: ignore[arg-type]
        chunks(),  # type: ignore[arg-type]
        caller,
    )
    last = [event async for event in events][-1]
    return len(last.results)  # type: ignore[union-attr]


async def test_a_stream_is_ranked_whole_under_a_small_quota() -> None:
    engine = fake_engine(FakeBackend(), fake_config())
    quota = Quota("k", concurrent_tokens=50)
    ranked = await asyncio.gather(*(stream(engine, Caller(client="k", quota=quota), 300) for _ in range(3)))
    assert ranked == [300] * 3
    assert quota.reserved_tokens == 0
    await engine.registry.close()


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (None, {"test/a", "test/b", "test/other-c"}),
        ((), set()),
        (("test/[ab]",), {"test/a", "test/b"}),
        (("test/a", "test/other-*"), {"test/a", "test/other-c"}),
        (("default",), {"test/a"}),
    ],
)
async def test_a_key_names_its_models(patterns: tuple[str, ...] | None, allowed: set[str]) -> None:
    loads: list[str] = []

    def load(model_id: str, report: object) -> FakeBackend:
        loads.append(model_id)
        return FakeBackend(id=model_id)

    config = fake_config(reranking={"fallback_models": ["test/other-c"]})
    engine = build_engine(config, catalogue=FakeCatalogue("test/a"), loader=load)
    caller = Caller(client="k", models=patterns)
    for model in ("test/a", "test/b", "test/other-c", ""):
        if (model or "test/a") in allowed:
            await rank(engine, caller, model)
            continue
        with pytest.raises(ForbiddenError, match="may not use the model"):
            await rank(engine, caller, model)
    # What a key may not use is not even loaded for it, and does not stand in.
    assert set(loads) == allowed
    await engine.registry.close()


async def test_a_stand_in_has_to_be_allowed_too() -> None:
    def load(model_id: str, report: object) -> FakeBackend:
        return FakeBackend(id=model_id)

    config = fake_config(reranking={"fallback_models": ["test/other-dear"]})
    engine = build_engine(config, catalogue=FakeCatalogue("test/a"), loader=load)
    bad = Request(query="red", documents=[Document(text="explode")])
    with pytest.raises(RerankdError) as caught:
        await engine.rerank(bad, Caller(client="k", models=("test/a",)))
    assert caught.value.spec.reason == "BACKEND_FAILED"
    await engine.registry.close()
