"""Reading what a provider answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class RankedDocument(Protocol):
    """One document of an answer, as liter-llm gives it."""

    @property
    def index(self) -> int:
        """Position of the document in the call."""

    @property
    def relevance_score(self) -> float:
        """The provider's score."""


class MalformedAnswerError(Exception):
    """An answer that cannot be used; its text says why and holds nothing of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """What an answer says about its price; None = it does not say."""

    units: int | None = None
    tokens: int | None = None


def read_scores(results: Sequence[RankedDocument], count: int) -> list[float]:
    """Scores in the order of the documents; providers answer in the order of the scores.

    Raises:
        MalformedAnswerError: Not exactly one score for each of `count` documents.
    """
    if len(results) != count:
        raise MalformedAnswerError(f"{len(results)} scores for {count} documents")
    scores: dict[int, float] = {}
    for result in results:
        if not 0 <= result.index < count:
            raise MalformedAnswerError(f"a score for document {result.index} of {count}")
        if result.index in scores:
            raise MalformedAnswerError(f"two scores for document {result.index}")
        scores[result.index] = result.relevance_score
    return [scores[index] for index in range(count)]


def read_billing(meta: str | None) -> Billing:
    """Units and tokens of Cohere's `meta`; what is missing or odd is not told."""
    try:
        parsed = json.loads(meta or "{}")
    except ValueError:
        return Billing()
    return Billing(
        units=_count(parsed, "billed_units", "search_units"), tokens=_count(parsed, "tokens", "input_tokens")
    )


def _count(value: object, *path: str) -> int | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    # JSON has no integers: 1.0 is a count, True is none.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value)
