"""Models of providers through the real liter-llm, against loopback servers that speak their APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from support.cloud_models import NOW, TEXTS, call_of, expected, opened, reached
from support.providers import KEY, MODELS, FakeProvider, Fault, Gate, tokens_of

from rerankd.core.errors import (
    BackendFailedError,
    DrainingError,
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
    ProviderUnavailableError,
    QuotaExceededError,
    RerankdError,
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=["cohere", "voyage", "jina"])
def provider(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    with FakeProvider(request.param).running() as server:
        yield server


@pytest.fixture
def cohere() -> Iterator[FakeProvider]:
    with FakeProvider("cohere").running() as server:
        yield server


async def test_scores_are_the_providers_in_the_order_of_the_texts(provider: FakeProvider) -> None:
    async with opened(provider, account={"unit_price_usd": 0.002}) as backend:
        answer = await backend.score(call_of())
    assert list(answer.scores) == expected()
    (call,) = provider.calls
    assert call.authorization == f"Bearer {KEY}"
    assert call.body["model"] == MODELS[provider.name][0]
    assert call.documents == TEXTS
    if provider.name == "cohere":
        assert (answer.units, answer.units_estimated) == (1, False)
        assert answer.tokens == tokens_of("what is it", TEXTS)
    else:
        # liter-llm does not pass on what they tell, so it is rather too much than too little.
        assert answer.units_estimated
        assert answer.units >= tokens_of("what is it", TEXTS)
        assert answer.tokens == 0
    assert answer.cost_usd == pytest.approx(answer.units * 0.002)


async def test_texts_are_not_sent_back(provider: FakeProvider) -> None:
    async with opened(provider) as backend:
        await backend.score(call_of())
    (call,) = provider.calls
    sent = set(call.body) - {"model", "query", "documents"}
    assert sent == ({"return_documents"} if provider.name == "jina" else set())
    assert not call.body.get("return_documents")


async def test_how_much_is_read_is_passed_on(cohere: FakeProvider) -> None:
    async with opened(cohere) as backend:
        await backend.score(call_of(max_tokens_per_document=300))
    assert cohere.calls[0].body["max_tokens_per_doc"] == 300


async def test_1001_documents_become_two_calls_and_one_answer(provider: FakeProvider) -> None:
    texts = [f"{number:05d}" for number in range(1001)]
    async with opened(provider, account={"unit_price_usd": 0.25}) as backend:
        answer = await backend.score(call_of(texts))
    assert sorted(len(call.documents) for call in provider.calls) == [500, 501]
    assert list(answer.scores) == expected(texts)
    # Cohere bills a search for each started hundred; the others about five tokens for each pair here.
    assert answer.units == (11 if provider.name == "cohere" else 1001 * 6)
    assert answer.cost_usd == pytest.approx(answer.units * 0.25)


async def test_the_server_here_does_have_the_limit(cohere: FakeProvider) -> None:
    texts = [f"{number:05d}" for number in range(1001)]
    async with opened(cohere, account={"max_documents": 5000}) as backend:
        with pytest.raises(InvalidRequestError, match="HTTP 400"):
            await backend.score(call_of(texts))


@pytest.mark.parametrize("text", ["word " * 2000, "文書" * 2000], ids=["latin", "chinese"])
async def test_long_documents_are_divided_by_tokens(text: str) -> None:
    texts = [f"{number} {text}" for number in range(300)]
    with FakeProvider("voyage").running() as server:
        assert tokens_of("what is it", texts) > 300_000
        server.max_tokens = 200_000
        async with opened(server, account={"max_tokens": 200_000}) as backend:
            answer = await backend.score(call_of(texts))
        assert list(answer.scores) == expected(texts)
        assert len(server.calls) > 1


async def test_units_are_estimated_if_those_of_one_call_are(cohere: FakeProvider) -> None:
    cohere.faults.append(Fault(body=b'{"results": [{"index": 0, "relevance_score": 0.5}]}'))
    async with opened(cohere, account={"max_documents": 1}) as backend:
        answer = await backend.score(call_of(TEXTS[:2]))
    assert (answer.units, answer.units_estimated) == (2, True)


async def test_an_address_may_end_with_a_slash(provider: FakeProvider) -> None:
    async with opened(provider, account={"base_url": f"{provider.base_url}/"}) as backend:
        assert list((await backend.score(call_of())).scores) == expected()


async def test_calls_of_one_request_run_beside_each_other(provider: FakeProvider) -> None:
    gate = provider.gate = Gate(calls=4)
    async with opened(provider, account={"max_documents": 2}) as backend:
        scoring = asyncio.create_task(backend.score(call_of()))
        await reached(gate)
        gate.release()
        assert list((await scoring).scores) == expected()


async def test_no_more_calls_than_allowed_run_at_once(cohere: FakeProvider) -> None:
    gate = cohere.gate = Gate(calls=2)
    async with opened(cohere, account={"max_documents": 1}, max_concurrency=2) as backend:
        scoring = asyncio.create_task(backend.score(call_of()))
        await reached(gate)
        # All that can be sent was sent: the tasks of the other five wait for a place.
        assert len(cohere.calls) == 2
        gate.release()
        assert list((await scoring).scores) == expected()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, headers=NOW),
        Fault(status=500, headers=NOW),
        Fault(status=503, headers=NOW),
        Fault(drop=True),
    ],
    ids=["429", "500", "503", "dropped"],
)
async def test_passing_failures_are_overcome(provider: FakeProvider, fault: Fault) -> None:
    provider.faults.extend([fault])
    async with opened(provider) as backend:
        assert list((await backend.score(call_of())).scores) == expected()
    assert len(provider.calls) == 2


@pytest.mark.parametrize(
    ("fault", "error", "calls"),
    [
        (Fault(status=429, headers=NOW), QuotaExceededError, 3),
        (Fault(status=503, headers=NOW), ProviderUnavailableError, 3),
        (Fault(status=400), InvalidRequestError, 1),
        (Fault(status=401), ModelFailedError, 1),
        (Fault(status=404), ModelNotFoundError, 1),
        (Fault(status=302, headers={"Location": "http://127.0.0.1:9/"}), ModelFailedError, 1),
        (Fault(body=b"<html>no json</html>"), BackendFailedError, 1),
        (Fault(body=b"{}"), BackendFailedError, 1),
        (Fault(results=[]), BackendFailedError, 1),
        (Fault(results=[{"index": 0, "relevance_score": 0.5}] * 7), BackendFailedError, 1),
        (Fault(results=[{"index": i + 1, "relevance_score": 0.5} for i in range(7)]), BackendFailedError, 1),
        (Fault(results=[{"index": i, "relevance_score": "high"} for i in range(7)]), BackendFailedError, 1),
        (Fault(results=[{"index": i, "relevance_score": None} for i in range(7)]), BackendFailedError, 1),
        (
            Fault(results=[{"index": i, "relevance_score": float("nan")} for i in range(7)]),
            BackendFailedError,
            1,
        ),
    ],
    ids=lambda value: None if isinstance(value, Fault) else getattr(value, "__name__", str(value)),
)
async def test_lasting_failures_are_told(
    provider: FakeProvider, fault: Fault, error: type[RerankdError], calls: int
) -> None:
    provider.standing_fault = fault
    async with opened(provider) as backend:
        with pytest.raises(error) as raised:
            await backend.score(call_of())
    assert type(raised.value) is error
    assert len(provider.calls) == calls
    told = f"{raised.value.message} {raised.value.metadata}"
    assert KEY not in told
    assert "words for" not in told
    assert raised.value.__cause__ is None


async def test_nobody_listens() -> None:
    with FakeProvider("cohere").running() as server:
        pass
    async with opened(server, retries=0) as backend:
        with pytest.raises(ProviderUnavailableError, match="the connection to cohere failed"):
            await backend.score(call_of())


async def test_a_wrong_key_is_the_operators_matter(provider: FakeProvider) -> None:
    async with opened(provider, account={"api_key": "another"}) as backend:
        with pytest.raises(ModelFailedError, match=f"{provider.name.upper()}_API_KEY"):
            await backend.score(call_of())


async def test_the_provider_knows_its_models(cohere: FakeProvider) -> None:
    async with opened(cohere, model="no-such-model") as backend:
        with pytest.raises(ModelNotFoundError, match="cohere has no model cohere/no-such-model"):
            await backend.score(call_of())


async def test_a_delay_beyond_the_deadline_is_not_waited_for(provider: FakeProvider) -> None:
    provider.standing_fault = Fault(status=429, headers={"Retry-After": "100"})
    async with opened(provider) as backend:
        with pytest.raises(QuotaExceededError) as raised:
            await backend.score(call_of())
    assert raised.value.retry_after_seconds == 100
    assert len(provider.calls) == 1


async def test_silence_ends_with_the_callers_deadline(provider: FakeProvider) -> None:
    provider.gate = Gate()
    async with opened(provider) as backend:
        with pytest.raises(ProviderUnavailableError, match="did not answer within"):
            await backend.score(call_of(timeout_seconds=0.2))
    assert len(provider.calls) == 1


async def test_a_caller_who_leaves_does_not_disturb_others(cohere: FakeProvider) -> None:
    gate = cohere.gate = Gate(calls=2)
    async with opened(cohere) as backend:
        leaver = asyncio.create_task(backend.score(call_of(["left alone"])))
        other = asyncio.create_task(backend.score(call_of()))
        await reached(gate)
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        gate.release()
        assert list((await other).scores) == expected()


async def test_one_failed_part_fails_the_request_and_stops_the_others(cohere: FakeProvider) -> None:
    cohere.faults.extend([Fault(status=401)])
    cohere.standing_fault = Fault(status=429, headers={"Retry-After": "20"})
    async with opened(cohere, account={"max_documents": 1}, max_concurrency=1) as backend:
        with pytest.raises(ModelFailedError):
            await backend.score(call_of())
    assert len(cohere.calls) < len(TEXTS)


async def test_closing_ends_calls_under_way(cohere: FakeProvider) -> None:
    gate = cohere.gate = Gate()
    async with opened(cohere) as backend:
        scoring = asyncio.create_task(backend.score(call_of()))
        await reached(gate)
        await backend.close()
        with pytest.raises(DrainingError):
            await scoring


class TestListwise:
    MODEL = "jina-reranker-v3"

    @pytest.fixture
    def jina(self) -> Iterator[FakeProvider]:
        with FakeProvider("jina", max_documents=5).running() as server:
            yield server

    async def test_a_set_that_fits_is_scored(self, jina: FakeProvider) -> None:
        async with opened(jina, model=self.MODEL, account={"max_documents": 5}) as backend:
            assert list((await backend.score(call_of(TEXTS[:5]))).scores) == expected(TEXTS[:5])

    async def test_a_larger_one_is_refused_before_anything_is_billed(self, jina: FakeProvider) -> None:
        async with opened(jina, model=self.MODEL, account={"max_documents": 5}) as backend:
            with pytest.raises(InvalidRequestError, match="at most 5 documents") as raised:
                await backend.score(call_of())
        assert raised.value.field == "documents"
        assert raised.value.metadata == {"limit": "5", "count": "7"}
        assert not jina.calls

    async def test_the_limit_of_tokens_is_named(self, jina: FakeProvider) -> None:
        async with opened(jina, model=self.MODEL, account={"max_tokens": 30}) as backend:
            with pytest.raises(InvalidRequestError, match="about 30 tokens"):
                await backend.score(call_of())

    async def test_it_is_merged_where_the_operator_wants_that(self, jina: FakeProvider) -> None:
        async with opened(
            jina, model=self.MODEL, account={"max_documents": 5}, merge_listwise=True
        ) as backend:
            assert list((await backend.score(call_of())).scores) == expected()
