from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.benchmarking.workload import made_texts, made_workload, own_workload

MADE = made_workload()


def test_made_texts_are_as_long_as_web_passages_and_always_the_same() -> None:
    texts = made_texts(2000)
    lengths = [len(text.split()) for text in texts]
    assert len(set(texts)) == 2000
    assert 50 <= statistics.mean(lengths) <= 60
    assert min(lengths) >= 10
    assert max(lengths) <= 200
    assert made_texts(10) == texts[:10]
    assert made_workload() == MADE


@given(st.integers(0, 5000), st.integers(1, 1000))
def test_a_call_has_so_many_different_texts(number: int, documents: int) -> None:
    query, texts = MADE.call(number, documents)
    assert query
    assert len(texts) == len(set(texts)) == documents


def test_own_texts_come_once() -> None:
    own = own_workload(["a", "b", "a"], ["x", "y", "x", ""])
    assert (own.queries, own.texts, own.source) == (["a", "b"], ["x", "y"], "own")
    assert [own.call(number, 1)[0] for number in range(5)] == ["a", "b", "a 2", "b 2", "a 3"]
    with pytest.raises(ValueError, match="3 documents of 2"):
        own.call(0, 3)


@pytest.mark.parametrize(("queries", "texts"), [([], ["x"]), (["a"], []), (["a"], [""])])
def test_nothing_to_rank_is_refused(queries: list[str], texts: list[str]) -> None:
    with pytest.raises(ValueError, match="nothing to rank"):
        own_workload(queries, texts)
