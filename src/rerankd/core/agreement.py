"""How far two scorings of the same documents are apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rerankd.core.ranking import sigmoid

Logits = npt.NDArray[np.float64]

_TOP = 10


class Agreement:
    """Gathers request by request what a candidate makes of documents that another model has scored.

    Attributes:
        requests: How many were added.
        documents: How many those had.
        max_drift: Largest distance of two scores (after the sigmoid).
    """

    def __init__(self) -> None:
        self.requests = 0
        self.documents = 0
        self.max_drift = 0.0
        self._overlap = 0.0
        self._drift = 0.0
        self._correlation = 0.0
        self._correlated = 0

    def add(self, live: Logits, candidate: Logits) -> None:
        """Takes the logits of one request, which has at least one document."""
        top = min(_TOP, len(live))
        distances = np.abs(_scores(live) - _scores(candidate))
        self.requests += 1
        self.documents += len(live)
        self._overlap += len(_first(live, top) & _first(candidate, top)) / top
        self._drift += float(distances.sum())
        self.max_drift = max(self.max_drift, float(distances.max()))
        correlation = rank_correlation(live, candidate)
        if correlation is not None:
            self._correlation += correlation
            self._correlated += 1

    @property
    def top10_overlap(self) -> float:
        """Share of the first ten that both have in common, mean over requests."""
        return self._overlap / max(1, self.requests)

    @property
    def mean_drift(self) -> float:
        """Mean distance of two scores over documents."""
        return self._drift / max(1, self.documents)

    @property
    def rank_correlation(self) -> float:
        """Spearman's, mean over the requests that have one."""
        return self._correlation / max(1, self._correlated)


def rank_correlation(first: Logits, second: Logits) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; None where one side has but one rank."""
    ranks = _ranks(first), _ranks(second)
    deviations = [rank - rank.mean() for rank in ranks]
    length = math.sqrt(float((deviations[0] ** 2).sum() * (deviations[1] ** 2).sum()))
    return float((deviations[0] * deviations[1]).sum()) / length if length else None


def _ranks(values: Logits) -> Logits:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(mean_rank[place], dtype=np.float64)


def _first(logits: Logits, count: int) -> set[int]:
    return set(np.argsort(-logits, kind="stable")[:count].tolist())


def _scores(logits: Logits) -> Logits:
    return np.array([sigmoid(float(logit)) for logit in logits])
