from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from rerankd.cli._metrics_page import Page, Span, parse, quantile


def page(text: str, at: float) -> Page:
    return parse(text, at)


def test_rates_are_of_the_time_between_two_pages() -> None:
    registry = CollectorRegistry()
    calls = Counter("calls", "", ["code"], registry=registry)
    calls.labels("OK").inc(5)
    before = page(generate_latest(registry).decode(), 10.0)
    calls.labels("OK").inc(20)
    calls.labels("LATE").inc(10)
    span = Span(before, page(generate_latest(registry).decode(), 14.0))
    assert span.rate("calls_total") == 7.5
    assert span.rate("calls_total", code="OK") == 5.0
    assert span.rate("calls_total", code="NEVER") == 0.0


def test_a_server_that_restarted_counts_from_zero() -> None:
    span = Span(page("calls_total 100\n", 0.0), page("calls_total 3\n", 1.0))
    assert span.more("calls_total") == 3


@example([1.0, 0.0078125], 0.5)
@given(st.lists(st.floats(0.0001, 9.9), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    bounds = (0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0)
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "", buckets=bounds, registry=registry)
    before = page(generate_latest(registry).decode(), 0.0)
    for value in values:
        seconds.observe(value)
    span = Span(before, page(generate_latest(registry).decode(), 1.0))
    found = span.quantile(share, "seconds")
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    upper = next(bound for bound in bounds if true <= bound)
    lower = max((bound for bound in bounds if bound < true), default=0.0)
    # The share of a count can be rounded up into the next bucket, by its last digit.
    assert lower <= found <= upper * (1 + 1e-9)
    assert span.mean("seconds") == pytest.approx(sum(values) / len(values))


def test_nothing_observed_is_no_number() -> None:
    assert math.isnan(quantile(0.5, [(1.0, 0.0), (math.inf, 0.0)]))
    assert quantile(0.99, [(1.0, 0.0), (math.inf, 3.0)]) == 1.0
