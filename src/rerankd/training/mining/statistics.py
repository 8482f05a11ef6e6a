"""What mining made, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rerankd.training.types import TrainingGroup

_BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of scores between edges; `edges` has one number more than `counts`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningStatistics:
    """What mining made, in numbers; kept beside the groups as mining.json."""

    queries: int
    """With at least one group; this and what follows are of the whole file."""
    pairs: int
    """Of a positive and its query."""
    triplets: int
    groups: int
    kept_groups: int
    """Of them, those of earlier minings (write = append)."""
    sources: Mapping[str, int]
    """New groups by where their positives are from."""
    negatives: Mapping[str, int]
    """New negatives by where they are from: `judged`, `skipped`, `bm25`, `model`, `random`."""
    dropped: Mapping[str, int]
    """What was left out, by reason. Queries: `query_of_test`, `query_of_dev` (not to be trained on),
    `query_unknown` (hashed, and not in the corpus). Positives: `positive_without_text`, `no_negative`,
    `max_pairs`, `in_feedback_too` (of a judgment; the group of the click stays). Candidates for negatives,
    counted in each group: `margin`, `percentile`, `same_text`. Groups: `known_group`, `no_longer_training`
    (write = append). Feedback: `orphans`."""
    conflicts: Mapping[str, int]
    """Feedback that contradicts itself, by how; `Evidence.conflicts` says which side counts."""
    no_hit_queries: int
    """Feedback: queries with no click and no good rating."""
    histograms: Mapping[str, Histogram]
    """Scores by teacher and role: `bm25/positives`, `bm25/negatives`, `model/positives`, ..."""
    scorer: str
    """Id and revision of the model that scored; empty where none did."""
    corpus_digest: str
    seconds: float


@dataclass(slots=True)
class Tally:
    """Counts groups as they are written."""

    queries: set[tuple[str, str]] = field(default_factory=set)
    pairs: int = 0
    triplets: int = 0
    groups: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    scores: dict[str, list[float]] = field(default_factory=dict)

    def count(self, group: TrainingGroup) -> None:
        """A group of the file, old or new."""
        self.queries.add((group.source, group.query_id))
        self.pairs += sum(document.label > 0 for document in group.documents)
        self.triplets += group.triplets
        self.groups += 1

    def count_new(self, group: TrainingGroup) -> None:
        """A group of this mining."""
        self.count(group)
        self.sources[group.source] += 1
        for document in group.documents:
            role = "positives" if document.label > 0 else "negatives"
            for teacher, score in document.teachers.items():
                self.scores.setdefault(f"{teacher}/{role}", []).append(score)

    def histograms(self) -> dict[str, Histogram]:
        """The scores that were counted; both roles of a teacher have the same edges."""
        ranges: dict[str, tuple[float, float]] = {}
        for name, scores in self.scores.items():
            low, high = ranges.get(name.split("/")[0], (scores[0], scores[0]))
            ranges[name.split("/")[0]] = (min(low, *scores), max(high, *scores))
        return {
            name: _histogram(scores, ranges[name.split("/")[0]])
            for name, scores in sorted(self.scores.items())
        }


def _histogram(scores: list[float], limits: tuple[float, float]) -> Histogram:
    counts, edges = np.histogram(scores, bins=_BINS, range=limits)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))
