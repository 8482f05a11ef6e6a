"""Two training runs side by side; refused where their numbers do not mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rerankd.core.errors import NotComparableError
from rerankd.training.evaluation.report import EvaluationReport, Gain
from rerankd.training.evaluation.significance import (
    Resampling,
    bootstrap_means,
    flipped_means,
    interval,
    p_values,
)
from rerankd.training.evaluation.systems import gain_of
from rerankd.training.types import RunInfo, RunSummary

QueryValues = Mapping[str, float]
"""Query id -> value of the runs' primary metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """How a run differs from the one before it; deltas are current less baseline."""

    baseline_id: str
    current_id: str
    metric: str
    """As `ndcg@10`."""
    baseline: RunSummary
    current: RunSummary
    best_delta: float
    seconds_to_best_delta: float
    stability_delta: float
    """Of the standard deviation over the last evaluations: below 0 = steadier."""
    gain: Gain | None = None
    """Query by query, where the values of each query are known for both runs."""
    shared_queries: int = 0


def query_values(report: EvaluationReport, system: str, metric: str) -> dict[str, float]:
    """The values of a metric that an evaluation found for each query."""
    values = report.system(system).values[metric]
    return {query.id: value for query, value in zip(report.queries, values, strict=True)}


def compare(
    baseline: RunInfo,
    current: RunInfo,
    *,
    baseline_values: QueryValues | None = None,
    current_values: QueryValues | None = None,
    resampling: Resampling | None = None,
) -> RunComparison:
    """Compares two runs that were judged alike.

    Raises:
        NotComparableError: Their corpus, metric or cut-off differ, or one of them has no result yet.
    """
    _check_alike(baseline, current)
    before, after = _summary(baseline), _summary(current)
    gain, shared = None, 0
    if baseline_values is not None and current_values is not None:
        gain, shared = _paired(baseline_values, current_values, resampling or Resampling())
    return RunComparison(
        baseline_id=baseline.id,
        current_id=current.id,
        metric=_metric(current),
        baseline=before,
        current=after,
        best_delta=after.best - before.best,
        seconds_to_best_delta=after.seconds_to_best - before.seconds_to_best,
        stability_delta=after.stability - before.stability,
        gain=gain,
        shared_queries=shared,
    )


def _metric(run: RunInfo) -> str:
    return f"{run.primary_metric}@{run.primary_k}"


def _check_alike(baseline: RunInfo, current: RunInfo) -> None:
    for what, before, after in (
        ("corpus", baseline.corpus_id, current.corpus_id),
        ("metric", baseline.primary_metric, current.primary_metric),
        ("k", str(baseline.primary_k), str(current.primary_k)),
    ):
        if before != after:
            raise NotComparableError(
                f"runs {baseline.id} and {current.id} cannot be compared: their {what} differs "
                f"({before} and {after})",
                metadata={"differs": what, "baseline": before, "current": after},
            )


def _summary(run: RunInfo) -> RunSummary:
    if run.summary is None:
        raise NotComparableError(
            f"run {run.id} has no result to compare: it is {run.status.value}",
            metadata={"run": run.id, "status": run.status.value},
        )
    return run.summary


def _paired(before: QueryValues, after: QueryValues, how: Resampling) -> tuple[Gain | None, int]:
    """The gain on the queries that both have; None where there are none."""
    shared = sorted(before.keys() & after.keys())
    if not shared:
        return None, 0
    differences = np.array([[after[query] - before[query]] for query in shared])
    low, high = interval(bootstrap_means(differences, how.samples, how.seed), how.confidence)
    flipped = flipped_means(differences, how.permutations, how.seed)
    chance = p_values(differences.mean(axis=0), flipped)
    return gain_of(differences[:, 0], float(low[0]), float(high[0]), float(chance[0])), len(shared)
