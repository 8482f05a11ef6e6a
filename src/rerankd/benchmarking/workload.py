"""What is ranked in a benchmark: the caller's own texts, or made ones that are as long as web passages."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# The first ones are the frequent ones, as in any text; the last ones are of more than one token.
_VOCABULARY = """
    the of and to in a is for that with as on by are it from be or this an at which can has have not
    its was also may more one used when other people such most between into will water many time than
    first body high after years cause during year number often system blood known found large two each
    made small well form where part food made different level state called include energy light work air
    long common cell cost process plant common cities market health disease pressure river treatment season
    surface temperature doctor average patient heart chemical century oil province engine growth symptoms
    insurance calcium kidney mortgage nutrient protein antibiotic volcano hypertension photosynthesis
    cholesterol osteoporosis mitochondria reimbursement thermodynamics glucocorticoid subduction
    12 1987 2,400
"""
_WORDS = _VOCABULARY.split()

MADE_TEXTS = 2000
MADE_QUERIES = 200

_MEDIAN_WORDS, _SPREAD = 50, 0.42
"""Passages of MS MARCO have 56 words on the average, and few are longer than 150; a log-normal law with these
two comes close."""

_SEED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Queries and texts that calls are made of."""

    queries: Sequence[str]
    texts: Sequence[str]
    """No two are equal, else the engine would score one of them for both."""
    source: Literal["generated", "own"]

    def call(self, number: int, documents: int) -> tuple[str, list[str]]:
        """Query and texts of the call with this number; no two calls have the same pairs.

        Args:
            number: From 0. Once all queries were used they come again, each with a number behind it:
                a server that keeps scores would otherwise not compute them.
            documents: At most as many as there are texts.

        Raises:
            ValueError: There are not so many texts.
        """
        count = len(self.texts)
        if documents > count:
            raise ValueError(f"{documents} documents of {count} texts")
        again, at = divmod(number, len(self.queries))
        query = f"{self.queries[at]} {again + 1}" if again else self.queries[at]
        start = number * documents % count
        chosen = self.texts[start : start + documents]
        return query, [*chosen, *self.texts[: documents - len(chosen)]]


def made_workload() -> Workload:
    """Always the same texts."""
    rng = random.Random(_SEED)  # noqa: S311 - nothing secret
    queries = dict.fromkeys(" ".join(_words(rng, rng.randint(3, 9))) for _ in range(2 * MADE_QUERIES))
    return Workload(queries=[*queries][:MADE_QUERIES], texts=made_texts(MADE_TEXTS), source="generated")


def own_workload(queries: Sequence[str], texts: Sequence[str]) -> Workload:
    """The caller's own; texts that come twice are taken once.

    Raises:
        ValueError: There is no query, or no text.
    """
    distinct = [*dict.fromkeys(text for text in texts if text)]
    if not queries or not distinct:
        raise ValueError("there is nothing to rank in it")
    return Workload(queries=[*dict.fromkeys(queries)], texts=distinct, source="own")


def made_texts(count: int) -> list[str]:
    """So many different texts, as long as passages of the web are: 10 to 200 words, half of them below 50."""
    rng = random.Random(_SEED)  # noqa: S311 - nothing secret
    texts: dict[str, None] = {}
    while len(texts) < count:
        length = round(rng.lognormvariate(math.log(_MEDIAN_WORDS), _SPREAD))
        texts[_passage(rng, min(200, max(10, length)))] = None
    return [*texts]


def _passage(rng: random.Random, words: int) -> str:
    sentences = []
    while words > 0:
        length = min(words, rng.randint(8, 22))
        words -= length
        sentences.append(" ".join(_words(rng, length)).capitalize() + ".")
    return " ".join(sentences)


def _words(rng: random.Random, count: int) -> list[str]:
    return rng.choices(_WORDS, cum_weights=_WEIGHTS, k=count)


def _cumulated() -> list[float]:
    total, found = 0.0, []
    for rank in range(len(_WORDS)):
        total += 1 / (rank + 15)
        found.append(total)
    return found


_WEIGHTS = _cumulated()
