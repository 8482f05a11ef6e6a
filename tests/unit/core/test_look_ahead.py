"""How far a stream is read ahead: enough for a fast model, not more than a slow one can use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rerankd.core.look_ahead import LEAST, SECONDS, UNMEASURED, look_ahead

rates = st.floats(0, 1e9)
bounds = st.integers(1, 1 << 31)


@given(rates, bounds)
def test_the_operators_bound_holds(rate: float, most: int) -> None:
    assert 1 <= look_ahead(rate, most) <= most


@given(rates.filter(bool), rates.filter(bool), bounds)
def test_a_faster_model_is_never_fed_less(one: float, other: float, most: int) -> None:
    slow, fast = sorted((one, other))
    assert look_ahead(slow, most) <= look_ahead(fast, most)


@given(rates.filter(bool))
def test_what_is_ahead_lasts_as_long_as_it_should(rate: float) -> None:
    ahead = look_ahead(rate, 1 << 62)
    assert ahead >= LEAST
    assert ahead / rate >= SECONDS * 0.99


def test_a_model_that_was_not_measured_is_fed_as_a_fast_one_on_a_cpu() -> None:
    assert look_ahead(0.0, 2048) == UNMEASURED
