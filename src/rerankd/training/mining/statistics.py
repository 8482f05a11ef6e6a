"""What mining made, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of scores between edges; `edges` has one number more than `counts`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningStatistics:
    """What mining made, in numbers; kept beside the groups as mining.json."""

    queries: int
    """With at least one group."""
    pairs: int
    """Of a positive and its query."""
    triplets: int
    groups: int
    kept_groups: int
    """Of earlier minings (write = append), in `groups` too."""
    negatives: Mapping[str, int]
    """By where they are from: `judged`, `skipped`, `bm25`, `model`, `random`."""
    dropped: Mapping[str, int]
    """What was left out, by reason."""
    no_hit_queries: int
    """Feedback: queries with no click and no good rating."""
    histograms: Mapping[str, Histogram]
    """Scores by teacher and role: `bm25/positives`, `bm25/negatives`, `model/positives`, ..."""
    scorer: str
    """Id and revision of the model that scored; empty where none did."""
    corpus_digest: str
    seconds: float
