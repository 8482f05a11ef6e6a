"""How a provider is spared: the circuit breaker, and what a minute may bring and cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from support.cloud_models import NOW, TEXTS, Clock, call_of, expected, opened, reached, settings_for
from support.providers import FakeProvider, Fault, Gate

from rerankd.backends.cloud import CloudModels
from rerankd.backends.cloud.backend import CloudBackend
from rerankd.core.errors import (
    BackendFailedError,
    InvalidRequestError,
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


class TestCircuit:
    DOWN = Fault(status=503)

    async def fail(self, backend: CloudBackend, times: int) -> None:
        for _ in range(times):
            with pytest.raises(ProviderUnavailableError):
                await backend.score(call_of())

    async def test_it_opens_and_one_call_closes_it(self, cohere: FakeProvider) -> None:
        clock = Clock()
        cohere.standing_fault = self.DOWN
        async with opened(cohere, clock=clock, retries=0, circuit_failures=3) as backend:
            await self.fail(backend, 3)
            assert len(cohere.calls) == 3
            with pytest.raises(ProviderUnavailableError, match="left alone") as raised:
                await backend.score(call_of())
            assert raised.value.retry_after_seconds == 30.0
            assert len(cohere.calls) == 3
            clock.now += 30
            await self.fail(backend, 2)
            assert len(cohere.calls) == 4
            clock.now += 30
            cohere.standing_fault = None
            assert list((await backend.score(call_of())).scores) == expected()

    async def test_a_trial_is_not_repeated(self, cohere: FakeProvider) -> None:
        clock = Clock()
        cohere.standing_fault = Fault(status=503, headers=NOW)
        async with opened(cohere, clock=clock, retries=2, circuit_failures=1) as backend:
            await self.fail(backend, 1)
            assert len(cohere.calls) == 3
            clock.now += 30
            await self.fail(backend, 1)
            assert len(cohere.calls) == 4

    async def test_exactly_one_call_tries(self, cohere: FakeProvider) -> None:
        clock = Clock()
        cohere.faults.append(self.DOWN)
        async with opened(cohere, clock=clock, retries=0, circuit_failures=1) as backend:
            await self.fail(backend, 1)
            clock.now += 30
            gate = cohere.gate = Gate()
            trial = asyncio.create_task(backend.score(call_of()))
            await reached(gate)
            refused = await asyncio.gather(
                *(backend.score(call_of()) for _ in range(20)), return_exceptions=True
            )
            assert {type(error) for error in refused} == {ProviderUnavailableError}
            gate.release()
            assert list((await trial).scores) == expected()
            assert len(cohere.calls) == 2
            assert list((await backend.score(call_of())).scores) == expected()

    async def test_a_request_of_many_calls_tries_with_one_of_them(self, cohere: FakeProvider) -> None:
        clock = Clock()
        cohere.faults.append(self.DOWN)
        account = {"max_documents": 2}
        async with opened(cohere, clock=clock, retries=0, circuit_failures=1, account=account) as backend:
            with pytest.raises(ProviderUnavailableError):
                await backend.score(call_of(TEXTS[:2]))
            clock.now += 30
            assert list((await backend.score(call_of())).scores) == expected()

    async def test_a_trial_that_is_left_lets_the_next_call_try(self, cohere: FakeProvider) -> None:
        clock = Clock()
        cohere.faults.append(self.DOWN)
        async with opened(cohere, clock=clock, retries=0, circuit_failures=1) as backend:
            await self.fail(backend, 1)
            clock.now += 30
            gate = cohere.gate = Gate()
            trial = asyncio.create_task(backend.score(call_of()))
            await reached(gate)
            trial.cancel()
            with pytest.raises(asyncio.CancelledError):
                await trial
            gate.release()
            assert list((await backend.score(call_of())).scores) == expected()

    async def test_a_trial_does_not_wait_as_long_as_its_caller_would(self, cohere: FakeProvider) -> None:
        clock = Clock()
        cohere.faults.append(self.DOWN)
        settings = {"retries": 0, "circuit_failures": 1, "circuit_open_seconds": 0.1}
        async with opened(cohere, clock=clock, **settings) as backend:
            await self.fail(backend, 1)
            clock.now += 1
            cohere.gate = Gate()
            with pytest.raises(ProviderUnavailableError, match="did not answer"):
                await backend.score(call_of(timeout_seconds=500.0))
            with pytest.raises(ProviderUnavailableError, match="left alone"):
                await backend.score(call_of())

    @pytest.mark.parametrize("status", [400, 401, 404])
    async def test_refusals_do_not_open_it(self, cohere: FakeProvider, status: int) -> None:
        async with opened(cohere, circuit_failures=1) as backend:
            cohere.faults.append(Fault(status=status))
            with pytest.raises(RerankdError):
                await backend.score(call_of())
            assert list((await backend.score(call_of())).scores) == expected()

    @pytest.mark.parametrize(
        "fault",
        [Fault(status=429, headers=NOW), Fault(body=b"?"), Fault(results=[]), Fault(drop=True)],
        ids=["429", "not JSON", "no results", "dropped"],
    )
    async def test_failures_open_it(self, cohere: FakeProvider, fault: Fault) -> None:
        cohere.standing_fault = fault
        async with opened(cohere, retries=0, circuit_failures=1) as backend:
            with pytest.raises(RerankdError):
                await backend.score(call_of())
            with pytest.raises(ProviderUnavailableError, match="left alone"):
                await backend.score(call_of())

    async def test_silence_opens_it(self, cohere: FakeProvider) -> None:
        cohere.gate = Gate()
        async with opened(cohere, circuit_failures=1) as backend:
            with pytest.raises(ProviderUnavailableError, match="did not answer"):
                await backend.score(call_of(timeout_seconds=0.2))
            with pytest.raises(ProviderUnavailableError, match="left alone"):
                await backend.score(call_of())

    async def test_so_does_a_call_that_the_core_gives_up_at_its_deadline(self, cohere: FakeProvider) -> None:
        cohere.gate = Gate()
        async with opened(cohere, circuit_failures=1) as backend:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await backend.score(call_of(timeout_seconds=0.21))
            with pytest.raises(ProviderUnavailableError, match="left alone"):
                await backend.score(call_of())

    async def test_callers_in_a_hurry_do_not(self, cohere: FakeProvider) -> None:
        gate = cohere.gate = Gate()
        async with opened(cohere, circuit_failures=1, patience_seconds=600.0) as backend:
            with pytest.raises(ProviderUnavailableError, match="did not answer"):
                await backend.score(call_of(timeout_seconds=0.1))
            gate.release()
            assert list((await backend.score(call_of())).scores) == expected()

    async def test_nobody_repeats_into_an_open_circuit(self, cohere: FakeProvider) -> None:
        cohere.faults.extend([Fault(status=503, headers={"Retry-After": "2"}), Fault(body=b"?")])
        gate = cohere.gate = Gate()
        async with opened(cohere, circuit_failures=1) as backend:
            waiting = asyncio.create_task(backend.score(call_of()))
            await reached(gate)
            gate.release()
            with pytest.raises(BackendFailedError):
                await backend.score(call_of())
            with pytest.raises(ProviderUnavailableError, match="HTTP 503"):
                await waiting
        assert len(cohere.calls) == 2


class TestMinute:
    async def test_calls_above_the_minute_are_refused_with_the_delay(self, provider: FakeProvider) -> None:
        clock = Clock()
        account = {"requests_per_minute": 2}
        async with opened(provider, clock=clock, account=account) as backend:
            await backend.score(call_of())
            clock.now += 15
            await backend.score(call_of())
            with pytest.raises(QuotaExceededError) as raised:
                await backend.score(call_of())
            assert raised.value.retry_after_seconds == 45.0
            assert len(provider.calls) == 2
            clock.now += 45
            await backend.score(call_of())

    async def test_money_is_counted_as_it_was_billed(self, cohere: FakeProvider) -> None:
        clock = Clock()
        account = {"unit_price_usd": 0.002, "budget_usd_per_minute": 0.005}
        async with opened(cohere, clock=clock, account=account) as backend:
            await backend.score(call_of())
            await backend.score(call_of())
            with pytest.raises(QuotaExceededError):
                await backend.score(call_of())
            clock.now += 60
            await backend.score(call_of())
        assert len(cohere.calls) == 3

    async def test_the_answer_corrects_what_was_estimated(self, cohere: FakeProvider) -> None:
        # Estimated as two searches for their length; the server here bills one.
        texts = [f"{number:03d}" * 700 for number in range(100)]
        account = {"unit_price_usd": 0.002, "budget_usd_per_minute": 0.006}
        async with opened(cohere, clock=Clock(), account=account) as backend:
            assert (await backend.score(call_of(texts))).units == 1
            await backend.score(call_of(texts))
            with pytest.raises(QuotaExceededError):
                await backend.score(call_of(texts))

    async def test_failures_cost_nothing(self, cohere: FakeProvider) -> None:
        account = {"unit_price_usd": 0.002, "budget_usd_per_minute": 0.002}
        async with opened(cohere, clock=Clock(), account=account) as backend:
            cohere.faults.extend([Fault(status=400), Fault(status=503, headers=NOW)])
            with pytest.raises(InvalidRequestError):
                await backend.score(call_of())
            assert (await backend.score(call_of())).cost_usd == 0.002
            with pytest.raises(QuotaExceededError):
                await backend.score(call_of())

    async def test_repetitions_count_as_calls(self, cohere: FakeProvider) -> None:
        cohere.standing_fault = Fault(status=503, headers=NOW)
        account = {"requests_per_minute": 2}
        async with opened(cohere, clock=Clock(), account=account, retries=5) as backend:
            with pytest.raises(ProviderUnavailableError):
                await backend.score(call_of())
        assert len(cohere.calls) == 2

    async def test_calls_that_were_never_made_do_not_count(self, cohere: FakeProvider) -> None:
        clock = Clock()
        account = {"requests_per_minute": 5, "max_documents": 2}
        settings = {"retries": 0, "circuit_failures": 1, "circuit_open_seconds": 1.0}
        async with opened(cohere, clock=clock, account=account, **settings) as backend:
            cohere.faults.extend([Fault(status=503), Fault(status=400)])
            with pytest.raises(ProviderUnavailableError):
                await backend.score(call_of(TEXTS[:1]))
            clock.now += 1
            # Four calls, of which the first tries whether the model answers again.
            with pytest.raises(InvalidRequestError):
                await backend.score(call_of())
            assert len(cohere.calls) == 2
            for _ in range(3):
                await backend.score(call_of(TEXTS[:1]))
            with pytest.raises(QuotaExceededError):
                await backend.score(call_of(TEXTS[:1]))

    async def test_repetitions_that_were_never_made_do_not_count(self, cohere: FakeProvider) -> None:
        cohere.faults.append(Fault(status=503, headers=NOW))
        account = {"requests_per_minute": 3}
        async with opened(cohere, clock=Clock(), account=account, max_concurrency=1) as backend:
            first = cohere.gate = Gate()
            repeating = asyncio.create_task(backend.score(call_of()))
            other = asyncio.create_task(backend.score(call_of()))
            await reached(first)
            gate = cohere.gate = Gate()
            first.release()
            # The other one is under way now, and the repetition has its leave and waits for a place.
            while len(backend._account.allowance._spendings) < 3:
                await asyncio.sleep(0)
            repeating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await repeating
            gate.release()
            await other
            await backend.score(call_of())
            with pytest.raises(QuotaExceededError):
                await backend.score(call_of())

    async def test_models_of_a_provider_share_its_minute(self, cohere: FakeProvider) -> None:
        settings = settings_for(cohere, {"requests_per_minute": 1})
        models = CloudModels(settings, environ={})
        one = models.load("cohere/rerank-v3.5", lambda *_: None)
        other = models.load("cohere/another", lambda *_: None)
        await one.score(call_of())
        with pytest.raises(QuotaExceededError):
            await other.score(call_of())
        for backend in (one, other):
            await backend.close()
