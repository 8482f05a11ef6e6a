"""Scores, order, ties, top n and blending."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.core.collecting import collector
from rerankd.core.ranking import blend, final_ranking, passthrough, score_of, sigmoid
from rerankd.core.types import Options, Passage, Result

logits = st.floats(-60, 60)


def result(index: int, logit: float, **more: object) -> Result:
    return Result(index=index, score=sigmoid(logit), logit=logit, **more)  # type: ignore[arg-type]


@given(st.lists(logits, max_size=60), st.integers(0, 70))
def test_ranking_is_the_sorted_prefix(values: list[float], top_n: int) -> None:
    results = [result(i, v) for i, v in enumerate(values)]
    ranking = final_ranking(results, Options(top_n=top_n))
    expected = sorted(range(len(values)), key=lambda i: (-sigmoid(values[i]), -values[i], i))
    assert [r.index for r in ranking] == expected[: top_n or None]
    assert [r.rank for r in ranking] == list(range(1, len(ranking) + 1))


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), max_size=80), st.integers(1, 20))
def test_bounded_top_equals_sorting_everything(values: list[float], capacity: int) -> None:
    options = Options(top_n=capacity)
    top = collector(options, 1000)
    results = [result(i, v) for i, v in enumerate(values)]
    for item in results:
        before = {r.index for r in top.ranking()}
        changed = top.add(item)
        assert changed == ({r.index for r in top.ranking()} != before)
    assert top.ranking() == final_ranking(results, options)
    assert top.overflowed == (len(values) > capacity)


def any_result(index: int, logit: float | None, original: float | None, span: int | None) -> Result:
    return Result(
        index=index,
        id=f"d{index}",
        score=0.0 if logit is None else sigmoid(logit),
        scored=logit is not None,
        logit=logit,
        original_score=original,
        dropped_tokens=index % 3,
        passage=None if span is None else Passage(start_char=span, end_char=span + 5),
    )


numbers = st.sampled_from([-3.0, -1.0, 0.0, 0.25, 2.0])


@given(
    st.lists(st.tuples(st.none() | numbers, st.none() | numbers, st.none() | st.integers(0, 9)), max_size=60),
    st.integers(1, 25),
    st.none() | st.sampled_from([0.2, 0.5, 0.99]),
    st.randoms(),
)
def test_compact_ranking_equals_sorting_everything(
    rows: list, capacity: int, least: float | None, random
) -> None:
    options = Options(min_score=least)
    results = [any_result(i, *row) for i, row in enumerate(rows)]
    everything = collector(options, capacity)
    for item in random.sample(results, len(results)):
        assert everything.add(item)
    best = sorted(results, key=lambda r: (not r.scored, -(r.logit or 0.0), r.index))[:capacity]
    ranking = everything.ranking()
    assert tuple(ranking) == final_ranking(best, options)
    assert list(ranking[1:3]) == list(ranking)[1:3]
    assert everything.overflowed == (len(rows) > capacity)


def test_ties_keep_the_order_of_the_request() -> None:
    ranking = final_ranking([result(i, 1.0) for i in (3, 1, 2, 0)], Options())
    assert [r.index for r in ranking] == [0, 1, 2, 3]


def test_saturated_scores_keep_the_models_order() -> None:
    ranking = final_ranking([result(0, 40.0), result(1, 50.0), result(2, 45.0)], Options())
    assert {r.score for r in ranking} == {1.0}
    assert [r.index for r in ranking] == [1, 2, 0]


def test_unscored_come_last_in_the_order_they_came() -> None:
    unscored = [Result(index=i, score=0.0, scored=False) for i in (4, 2)]
    ranking = final_ranking([*unscored, result(3, -50.0), result(1, 1.0)], Options())
    assert [r.index for r in ranking] == [1, 3, 2, 4]


def test_min_score_leaves_out_the_weak_and_the_unscored() -> None:
    results = [result(0, 2.0), result(1, -2.0), Result(index=2, score=0.0, scored=False)]
    assert [r.index for r in final_ranking(results, Options(min_score=0.5))] == [0]


@pytest.mark.parametrize("logit", [-1000.0, -30.0, 0.0, 30.0, 1000.0])
def test_sigmoid_is_finite_everywhere(logit: float) -> None:
    assert 0.0 <= sigmoid(logit) <= 1.0
    assert sigmoid(logit) + sigmoid(-logit) == pytest.approx(1.0)
    assert score_of(logit, Options(raw_scores=True)) == logit


finite = st.floats(-1e300, 1e300)


@given(st.lists(st.tuples(logits, st.none() | finite), min_size=1, max_size=30), st.floats(0, 1))
def test_blend_is_finite_and_leaves_unscored_alone(
    pairs: list[tuple[float, float | None]], weight: float
) -> None:
    results = [result(i, logit, original_score=score) for i, (logit, score) in enumerate(pairs)]
    unscored = Result(index=len(pairs), score=0.0, scored=False)
    blended = blend([*results, unscored], weight)
    assert all(math.isfinite(r.score) for r in blended)
    assert blended[-1] == unscored
    assert [r.logit for r in blended[:-1]] == [r.logit for r in results]


def test_blend_by_hand() -> None:
    results = [result(0, 1.0, original_score=10.0), result(1, 3.0, original_score=30.0), result(2, 2.0)]
    # z(logits 1, 3, 2) and z(originals 10, 30, lowest = 10)
    model = [-math.sqrt(1.5), math.sqrt(1.5), 0.0]
    first = [-1 / math.sqrt(2), math.sqrt(2), -1 / math.sqrt(2)]
    expected = [0.75 * m + 0.25 * f for m, f in zip(model, first, strict=True)]
    assert [r.score for r in blend(results, 0.25)] == pytest.approx(expected)


def test_blend_weight_one_is_the_first_stage_order() -> None:
    results = [result(0, 3.0, original_score=1.0), result(1, 1.0, original_score=2.0)]
    assert [r.index for r in final_ranking(results, Options(original_score_weight=1.0))] == [1, 0]


def test_a_side_without_spread_counts_nothing() -> None:
    results = [result(0, 3.0, original_score=5.0), result(1, 1.0, original_score=5.0)]
    assert [r.index for r in final_ranking(results, Options(original_score_weight=0.9))] == [0, 1]


def test_passthrough_keeps_the_order_and_cuts() -> None:
    results = [Result(index=i, score=0.0, scored=False) for i in (2, 0, 1)]
    assert [(r.index, r.rank) for r in passthrough(results, Options(top_n=2))] == [(0, 1), (1, 2)]
