"""What a corpus is like, and which metric suits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rerankd.config.training import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitProfile:
    """One split of a corpus."""

    name: str
    derived: bool
    """Whether it was made by hash, because the corpus does not bring it."""
    queries: int
    """With at least one judgment."""
    judgments: int
    positives: int
    average_positives: float
    """A query."""
    p95_positives: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusProfile:
    """A corpus in numbers, with the metric that suits its judgments."""

    id: str
    digest: str
    documents: int
    queries: int
    splits: tuple[SplitProfile, ...]
    label_kind: Literal["none", "binary", "graded"]
    average_positives: float
    p95_positives: float
    recommended_metric: Metric
    recommended_k: int
    rationale: str
    left_out: int
    """Queries of a split that are left out of it, because they equal one of the split that it is judged
    by."""
