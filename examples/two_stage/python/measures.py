"""How good an order is, against judgments: 2 answers the query, 1 helps, everything else does not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

CUTOFF = 10


def ndcg(order: Sequence[str], grades: Mapping[str, int]) -> float:
    """nDCG@10, with the grade itself as the gain, as trec_eval has it."""
    ideal = sorted(grades.values(), reverse=True)
    return _discounted([grades.get(id_, 0) for id_ in order]) / _discounted(ideal)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(position + 2) for position, gain in enumerate(gains[:CUTOFF]))


def reciprocal_rank(order: Sequence[str], grades: Mapping[str, int]) -> float:
    """1 over the rank of the first document that has a grade; 0 where none has."""
    return next((1 / rank for rank, id_ in enumerate(order, 1) if id_ in grades), 0.0)
