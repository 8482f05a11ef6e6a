from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.backends.parting import balanced_runs, runs_within

weights_lists = st.lists(st.integers(0, 50), min_size=1, max_size=60)


@settings(deadline=None)
@given(weights_lists, st.integers(1, 20), st.integers(0, 120))
def test_runs_follow_each_other_within_the_limits(
    weights: list[int], max_items: int, max_weight: int
) -> None:
    runs = balanced_runs(weights, max_items=max_items, max_weight=max_weight)
    assert [position for run in runs for position in range(run.start, run.stop)] == list(range(len(weights)))
    for run in runs:
        items = weights[run]
        assert 1 <= len(items) <= max_items
        assert not max_weight or sum(items) <= max_weight or len(items) == 1


def best_cut(weights: list[int], max_items: int, max_weight: int) -> tuple[int, int]:
    """The fewest runs, and then the lightest heaviest run, found by trying every cut."""
    best = [(0, 0)]
    for stop in range(1, len(weights) + 1):
        options = []
        for start in range(max(0, stop - max_items), stop):
            weight = sum(weights[start:stop])
            if not max_weight or weight <= max_weight or stop - start == 1:
                runs, heaviest = best[start]
                options.append((runs + 1, max(heaviest, weight)))
        best.append(min(options))
    return best[-1]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=14), st.integers(1, 6), st.sampled_from([0, 5, 17, 40])
)
def test_runs_are_few_and_the_heaviest_is_light(weights: list[int], max_items: int, max_weight: int) -> None:
    runs = balanced_runs(weights, max_items=max_items, max_weight=max_weight)
    heaviest = max(sum(weights[run]) for run in runs)
    assert (len(runs), heaviest) == best_cut(weights, max_items, max_weight)


def test_one_document_too_many_makes_two_halves() -> None:
    assert balanced_runs([7] * 1001, max_items=1000) == [slice(0, 501), slice(501, 1001)]


def test_runs_are_about_equally_heavy() -> None:
    # Two runs either way; the long ones at the end are not put on top of half of the others.
    runs = balanced_runs([1] * 60 + [30, 30], max_items=61)
    assert [sum(([1] * 60 + [30, 30])[run]) for run in runs] == [60, 60]


def test_what_is_too_heavy_is_alone() -> None:
    assert balanced_runs([1, 99, 1], max_items=10, max_weight=10) == [slice(0, 1), slice(1, 2), slice(2, 3)]


@given(
    weights=st.lists(st.integers(0, 50), min_size=1, max_size=60),
    max_items=st.integers(1, 20),
    max_weight=st.integers(1, 120),
)
def test_full_runs_are_within_both_bounds_too(weights: list[int], max_items: int, max_weight: int) -> None:
    runs = runs_within(weights, max_items=max_items, max_weight=max_weight)
    assert [weight for run in runs for weight in weights[run]] == weights
    for run in runs:
        items = weights[run]
        assert 1 <= len(items) <= max_items
        assert sum(items) <= max_weight or len(items) == 1


def test_full_runs_leave_the_rest_to_the_last() -> None:
    assert runs_within([1] * 1001, max_items=1000, max_weight=10_000) == [slice(0, 1000), slice(1000, 1001)]
    assert runs_within([1] * 1000, max_items=1000, max_weight=10_000) == [slice(0, 1000)]
