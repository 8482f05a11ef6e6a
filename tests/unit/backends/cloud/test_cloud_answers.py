from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankd.backends.cloud.answers import Billing, MalformedAnswerError, read_billing, read_scores


@dataclass(frozen=True)
class Ranked:
    index: int
    relevance_score: float


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False)), st.randoms())
def test_scores_come_in_the_order_of_the_documents(scores: list[float], random: Random) -> None:
    results = [Ranked(index, score) for index, score in enumerate(scores)]
    random.shuffle(results)
    assert read_scores(results, len(scores)) == scores


@pytest.mark.parametrize(
    ("indexes", "words"),
    [
        ([0], "1 scores for 2 documents"),
        ([0, 1, 2], "3 scores for 2 documents"),
        ([], "0 scores for 2 documents"),
        ([0, 0], "two scores for document 0"),
        ([0, 2], "a score for document 2 of 2"),
        ([0, -1], "a score for document -1 of 2"),
    ],
)
def test_anything_but_one_score_each_is_refused(indexes: list[int], words: str) -> None:
    with pytest.raises(MalformedAnswerError, match=words):
        read_scores([Ranked(index, 0.5) for index in indexes], 2)


@pytest.mark.parametrize(
    ("meta", "billing"),
    [
        (None, Billing()),
        ("", Billing()),
        ("{", Billing()),
        ("[]", Billing()),
        ('{"billed_units": 3}', Billing()),
        ('{"billed_units": {"search_units": 3}}', Billing(units=3)),
        (
            '{"billed_units": {"search_units": 3.0}, "tokens": {"input_tokens": 7}}',
            Billing(units=3, tokens=7),
        ),
        ('{"billed_units": {"search_units": "3"}}', Billing()),
        ('{"billed_units": {"search_units": true}}', Billing()),
        ('{"billed_units": {"search_units": -1}}', Billing()),
        ('{"billed_units": {"search_units": 1e400}}', Billing()),
    ],
)
def test_billing_is_read_where_it_is_told(meta: str | None, billing: Billing) -> None:
    assert read_billing(meta) == billing
