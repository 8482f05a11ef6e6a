from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.backends.cloud.allowance import Allowance
from rerankd.core.errors import InvalidRequestError, QuotaExceededError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def spend(allowance: Allowance, *costs: float) -> None:
    for spending in allowance.take(costs):
        allowance.start(spending)


def test_without_bounds_everything_goes() -> None:
    allowance = Allowance("cohere", calls=0, usd=0.0)
    for _ in range(100):
        spend(allowance, 5.0)


def test_calls_above_the_minute_wait_for_the_oldest() -> None:
    clock = Clock()
    allowance = Allowance("cohere", calls=3, usd=0.0, clock=clock)
    spend(allowance, 0.0)
    clock.now += 10
    spend(allowance, 0.0, 0.0)
    with pytest.raises(QuotaExceededError, match=r"cohere.*retry in 50\.0 s") as raised:
        allowance.take([0.0])
    assert raised.value.retry_after_seconds == 50.0
    with pytest.raises(QuotaExceededError) as raised:
        allowance.take([0.0, 0.0])
    assert raised.value.retry_after_seconds == 60.0
    clock.now += 50
    spend(allowance, 0.0)


def test_money_above_the_minute_waits() -> None:
    clock = Clock()
    allowance = Allowance("cohere", calls=0, usd=1.0, clock=clock)
    spend(allowance, 0.7)
    clock.now += 20
    spend(allowance, 0.3)
    with pytest.raises(QuotaExceededError) as raised:
        allowance.take([0.5])
    assert raised.value.retry_after_seconds == 40.0


def test_a_price_that_was_estimated_can_be_put_right() -> None:
    allowance = Allowance("cohere", calls=0, usd=1.0)
    (spending,) = allowance.take([0.9])
    allowance.start(spending)
    spending.usd = 0.2
    allowance.take([0.8])


def test_calls_that_wait_count_and_can_be_given_back() -> None:
    clock = Clock()
    allowance = Allowance("cohere", calls=1, usd=0.0, clock=clock)
    (waiting,) = allowance.take([0.0])
    clock.now += 500
    with pytest.raises(QuotaExceededError):
        allowance.take([0.0])
    allowance.give_back(waiting)
    allowance.give_back(waiting)
    allowance.take([0.0])


@pytest.mark.parametrize(
    ("costs", "words"),
    [([0.1, 0.1, 0.1], "requests_per_minute is 2"), ([2.0], "budget_usd_per_minute is 1")],
)
def test_what_never_fits_is_the_requests_fault(costs: list[float], words: str) -> None:
    allowance = Allowance("cohere", calls=2, usd=1.0)
    with pytest.raises(InvalidRequestError, match=words) as raised:
        allowance.take(costs)
    assert raised.value.field == "documents"
    allowance.take([0.5, 0.5])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.3, 0.5]), st.integers(0, 25)),
        min_size=1,
        max_size=40,
    )
)
def test_no_minute_holds_more_than_is_allowed(asked: list[tuple[int, float, int]]) -> None:
    """And a refused request that comes back at the told time is let in."""
    clock = Clock()
    allowance = Allowance("cohere", calls=5, usd=1.5, clock=clock)
    made: list[tuple[float, float]] = []
    for count, cost, pause in asked:
        clock.now += pause
        costs = [cost] * count
        if sum(costs) > 1.5:
            continue
        try:
            spend(allowance, *costs)
        except QuotaExceededError as refused:
            clock.now += refused.retry_after_seconds or 0.0
            spend(allowance, *costs)
        made += [(clock.now, cost)] * count
    for began, _ in made:
        minute = [cost for at, cost in made if began <= at < began + 60]
        assert len(minute) <= 5
        assert sum(minute) <= 1.5 + 1e-6
