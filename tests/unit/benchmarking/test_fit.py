from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rerankd.benchmarking.fit import Call, fit, percentile

SHARES = st.floats(0.001, 1.0)
VALUES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)


def call(documents: int, tokens: int, seconds: float) -> Call:
    return Call(seconds=seconds, documents=documents, tokens=tokens)


@given(VALUES, SHARES)
def test_a_percentile_is_the_least_value_that_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) < share * len(values)


@given(VALUES)
def test_percentiles_come_in_order(values: list[float]) -> None:
    p50, p95, p99 = (percentile(values, share) for share in (0.5, 0.95, 0.99))
    assert min(values) <= p50 <= p95 <= p99 <= max(values)


def test_p99_of_few_calls_is_the_slowest_and_of_many_is_not() -> None:
    assert percentile(range(1, 21), 0.99) == 20
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile(range(1, 201), 0.95) == 190


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_a_percentile_of_nothing_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


@given(st.floats(0, 0.1), st.floats(1e-6, 1e-2), st.lists(st.integers(1, 2000), min_size=2, unique=True))
def test_calls_on_a_line_give_that_line(fixed: float, token: float, sizes: list[int]) -> None:
    assume(max(sizes) > 1.5 * min(sizes))
    calls = [call(n, 80 * n, fixed + token * 80 * n) for n in sizes]
    found = fit(calls)
    assert found is not None
    for each in calls:
        assert found.seconds(each.documents) == pytest.approx(each.seconds, rel=1e-3)
    assert found.residual == pytest.approx(0, abs=1e-3)
    assert found.margin_p99 == pytest.approx(1, abs=1e-3)
    assert found.tokens_per_document == pytest.approx(80)
    assert (found.calls, found.most_documents) == (len(sizes), max(sizes))


@st.composite
def measured(draw: st.DrawFn) -> list[Call]:
    """Calls that took whatever they took."""
    sizes = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=30))
    return [call(n, n * draw(st.integers(4, 512)), draw(st.floats(1e-4, 1e3))) for n in sizes]


@given(measured(), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_whatever_was_measured_candidates_fit_their_budget(
    calls: list[Call], budget: float, other: float
) -> None:
    found = fit(calls)
    assert found is not None
    assert found.fixed_seconds >= 0
    assert found.token_seconds > 0
    assert found.residual >= 0
    assert found.margin_p99 >= 1
    count = found.candidates(budget)
    assert count == 0 or found.seconds(count) <= budget * (1 + 1e-6)
    assert found.seconds(count + 1) > budget * (1 - 1e-6)
    assert found.candidates(budget, margin=found.margin_p99) <= count
    assert found.candidates(min(budget, other)) <= found.candidates(max(budget, other))


def test_a_thousand_documents_do_not_outweigh_ten() -> None:
    calls = [call(10, 800, 0.020)] * 20 + [call(1000, 80_000, 1.2)]
    found = fit(calls)
    assert found is not None
    assert found.seconds(10) == pytest.approx(0.020, rel=0.01)


def test_the_line_is_that_of_the_calls_in_the_middle() -> None:
    skewed = [call(10, 800, seconds) for seconds in [0.05] * 20 + [0.1] * 27 + [0.3] * 10]
    found = fit([*skewed, *[call(100, 8000, 0.55)] * 6, call(1000, 80_000, 5.05)])
    assert found is not None
    assert [found.seconds(n) for n in (10, 100, 1000)] == pytest.approx([0.1, 0.55, 5.05], rel=0.05)


def test_slow_calls_widen_the_margin_and_not_the_line() -> None:
    quiet = [call(n, 80 * n, 0.002 + 0.001 * n) for n in (10, 100) for _ in range(50)]
    line, disturbed = fit(quiet), fit([*quiet, call(10, 800, 0.06), call(10, 800, 0.06)])
    assert line is not None
    assert disturbed is not None
    assert disturbed.seconds(100) == pytest.approx(line.seconds(100), rel=0.05)
    assert disturbed.margin_p99 > 3 > 1.2 > line.margin_p99


@pytest.mark.parametrize("calls", [[], [call(10, 0, 1.0)], [call(10, 800, 0.0)]])
def test_without_calls_of_tokens_there_is_no_line(calls: list[Call]) -> None:
    assert fit(calls) is None
