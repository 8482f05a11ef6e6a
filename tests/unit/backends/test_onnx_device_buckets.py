"""Rounding shapes up loses no pair, keeps their order, and stays within the bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.backends.onnx.device.buckets import Buckets, Shape

limits = st.integers(1, 9000)
buckets = st.builds(
    Buckets,
    max_tokens=limits,
    budget=st.integers(1, 40_000),
    most_rows=st.one_of(st.just(0), st.integers(1, 300)),
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Buckets, list[int]]:
    chosen = draw(buckets)
    return chosen, draw(st.lists(st.integers(1, chosen.max_tokens), max_size=200))


@given(batches())
def test_no_pair_is_lost_or_moved(drawn: tuple[Buckets, list[int]]) -> None:
    chosen, lengths = drawn
    parts = chosen.parts(lengths)
    assert [number for part in parts for number in range(part.start, part.stop)] == list(range(len(lengths)))
    for part in parts:
        assert part.stop - part.start <= part.shape.rows
        assert max(lengths[part.start : part.stop]) <= part.shape.width


@given(batches())
def test_neither_the_model_nor_the_budget_is_exceeded(drawn: tuple[Buckets, list[int]]) -> None:
    chosen, lengths = drawn
    for part in chosen.parts(lengths):
        assert part.shape.width <= chosen.max_tokens
        assert part.shape.tokens <= chosen.budget or part.shape.rows == 1
        assert part.shape.rows <= (chosen.most_rows or part.shape.rows)
    assert chosen.padded_tokens(lengths) >= sum(lengths)


@given(limits, st.data())
def test_lengths_are_few_and_near(max_tokens: int, data: st.DataObject) -> None:
    chosen = Buckets(max_tokens=max_tokens, budget=16_384)
    tokens = data.draw(st.integers(1, max_tokens))
    width = chosen.width(tokens)
    assert tokens <= width <= max(tokens + 15, tokens * 1.25)
    assert chosen.width(width) == width


def test_a_few_hundred_shapes_are_all_there_are() -> None:
    chosen = Buckets(max_tokens=512, budget=16_384)
    widths = {chosen.width(tokens) for tokens in range(1, 513)}
    shapes = {
        Shape(chosen.rows(count, width), width)
        for width in widths
        for count in range(1, chosen.rows_of(width) + 1)
    }
    assert len(widths) == 16
    assert len(shapes) < 320


@given(batches(), st.integers(65, 512))
def test_what_the_queue_hands_over_is_one_batch(drawn: tuple[Buckets, list[int]], longest: int) -> None:
    """Of pairs above 64 tokens; shorter ones are rounded up by more and may be split."""
    chosen = Buckets(max_tokens=512, budget=max(drawn[0].budget, 512))
    rows = max(1, chosen.queue_budget // longest)
    (part,) = chosen.parts([longest] * rows)
    assert part.shape.tokens <= chosen.budget


@pytest.mark.parametrize(
    ("lengths", "shapes"),
    [
        ([], []),
        ([7], [Shape(1, 16)]),
        ([100, 90, 80], [Shape(3, 112)]),
        ([90] * 5, [Shape(6, 96)]),
        ([90] * 20, [Shape(10, 96), Shape(10, 96)]),
        ([400], [Shape(1, 400)]),
    ],
)
def test_examples(lengths: list[int], shapes: list[Shape]) -> None:
    chosen = Buckets(max_tokens=400, budget=1024)
    assert [part.shape for part in chosen.parts(lengths)] == shapes
