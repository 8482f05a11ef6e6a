from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rerankd.backends.remote.parts import split


@given(
    weights=st.lists(st.integers(0, 50), min_size=1, max_size=60),
    max_items=st.integers(1, 20),
    max_weight=st.integers(1, 120),
)
def test_runs_are_within_both_bounds_and_cover_everything_in_order(
    weights: list[int], max_items: int, max_weight: int
) -> None:
    runs = split(weights, max_items=max_items, max_weight=max_weight)
    assert [weight for run in runs for weight in weights[run]] == weights
    for run in runs:
        items = weights[run]
        assert 1 <= len(items) <= max_items
        assert sum(items) <= max_weight or len(items) == 1


def test_as_few_as_can_be_where_only_the_count_matters() -> None:
    assert split([1] * 1001, max_items=1000, max_weight=10_000) == [slice(0, 1000), slice(1000, 1001)]
    assert split([1] * 1000, max_items=1000, max_weight=10_000) == [slice(0, 1000)]
