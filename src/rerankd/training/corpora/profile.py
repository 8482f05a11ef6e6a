"""What a corpus is like, and which metric suits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rerankd.config.training import Metric
from rerankd.training.corpora.records import Split
from rerankd.training.corpora.splits import Qrels, Splits

LabelKind = Literal["none", "binary", "graded"]
_CUTOFFS = (10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitProfile:
    """One split of a corpus."""

    name: Split
    derived: bool
    """Whether it was made by hash, because the corpus does not bring it."""
    queries: int
    """With at least one judgment."""
    judgments: int
    positives: int
    """Judgments above 0."""
    average_positives: float
    """A query that has any."""
    p95_positives: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusProfile:
    """A corpus in numbers, with the metric that suits its judgments."""

    id: str
    digest: str
    documents: int
    queries: int
    splits: tuple[SplitProfile, ...]
    """Those with judgments."""
    label_kind: LabelKind
    average_positives: float
    """A query that has any, over all splits; the next line too."""
    p95_positives: float
    recommended_metric: Metric
    recommended_k: int
    rationale: str
    left_out: int
    """Queries with judgments that are in no split: they equal a query of a split that judges, or are not
    among the queries."""


def profile_of(
    corpus_id: str,
    digest: str,
    *,
    documents: int,
    queries: int,
    qrels: Mapping[Split, Qrels],
    splits: Splits,
) -> CorpusProfile:
    """The profile of a corpus with these judgments."""
    profiles = [_split(name, name in splits.derived, judged) for name, judged in qrels.items() if judged]
    counts = [count for judged in qrels.values() for count in _positives(judged)]
    kind = _label_kind(qrels)
    average, p95 = _average_and_p95(counts)
    metric, k, rationale = _recommended(kind, average, p95)
    return CorpusProfile(
        id=corpus_id,
        digest=digest,
        documents=documents,
        queries=queries,
        splits=tuple(profiles),
        label_kind=kind,
        average_positives=average,
        p95_positives=p95,
        recommended_metric=metric,
        recommended_k=k,
        rationale=rationale,
        left_out=splits.left_out,
    )


def _split(name: Split, derived: bool, qrels: Qrels) -> SplitProfile:
    counts = _positives(qrels)
    average, p95 = _average_and_p95(counts)
    return SplitProfile(
        name=name,
        derived=derived,
        queries=len(qrels),
        judgments=sum(map(len, qrels.values())),
        positives=sum(counts),
        average_positives=average,
        p95_positives=p95,
    )


def _positives(qrels: Qrels) -> list[int]:
    counts = (sum(score > 0 for score in judged.values()) for judged in qrels.values())
    return [count for count in counts if count]


def _average_and_p95(counts: list[int]) -> tuple[float, float]:
    return (float(np.mean(counts)), float(np.percentile(counts, 95))) if counts else (0.0, 0.0)


def _label_kind(qrels: Mapping[Split, Qrels]) -> LabelKind:
    scores = {s for judged in qrels.values() for scores in judged.values() for s in scores.values()}
    if not any(scores):
        return "none"
    return "graded" if max(scores) > 1 else "binary"


def _recommended(kind: LabelKind, average: float, p95: float) -> tuple[Metric, int, str]:
    if kind == "none":
        return "ndcg", 10, "There are no judgments yet; nDCG@10 is what others report."
    k = next((cutoff for cutoff in _CUTOFFS if cutoff >= p95), _CUTOFFS[-1])
    seen = f"{average:.1f} relevant documents a query on average, {p95:.0f} at the 95th percentile"
    if kind == "graded":
        return "ndcg", k, f"Judgments are graded, and nDCG alone of these metrics uses the grades; {seen}."
    if p95 <= 1:
        return "mrr", 10, f"{seen}: all that counts is the rank of the first, which MRR measures."
    if p95 > _CUTOFFS[0]:
        return "map", k, f"{seen}: MAP rewards finding all of them, down to rank {k}."
    return "ndcg", k, f"{seen}: nDCG rewards each of them, the higher ones more."
