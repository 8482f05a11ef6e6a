"""Several corpora at a glance: the mean gain, with what is known of its error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rerankd.core.errors import InvalidRequestError
from rerankd.training.evaluation.measures import Values
from rerankd.training.evaluation.report import CorpusGain, EvaluationReport, Summary
from rerankd.training.evaluation.significance import bootstrap_means, flipped_means, interval, p_values


def summarise(
    reports: Sequence[EvaluationReport], system: str, *, over: str = "", metric: str = "ndcg@10"
) -> Summary:
    """The mean gain of a system over the corpora of the reports.

    Args:
        reports: One for each corpus.
        system: Name of the system, the same in all reports.
        over: What it is compared with; empty = each report's first stage.
        metric: Which metric.

    Raises:
        InvalidRequestError: A report has no such system, no such metric, or no gain over `over`.
    """
    corpora = tuple(_corpus_gain(report, system, over, metric) for report in reports)
    differences = [_differences(report, system, over, metric) for report in reports]
    settings = reports[0]
    # Another seed for each corpus: draws that are alike would make their means move together.
    drawn = np.concatenate(
        [
            bootstrap_means(column, settings.bootstrap_samples, settings.seed + number)
            for number, column in enumerate(differences)
        ],
        axis=1,
    )
    flipped = np.concatenate(
        [
            flipped_means(column, settings.permutations, settings.seed + number)
            for number, column in enumerate(differences)
        ],
        axis=1,
    )
    mean = float(np.mean([gain.gain.mean for gain in corpora]))
    low, high = interval(drawn.mean(axis=1, keepdims=True), settings.confidence)
    new_low, new_high = interval(_new_corpora(drawn, settings.seed), settings.confidence)
    chance = p_values(np.array([mean]), flipped.mean(axis=1, keepdims=True))
    return Summary(
        metric=metric,
        system=system,
        over=over or settings.first_stage,
        corpora=corpora,
        mean=mean,
        low=float(low[0]),
        high=float(high[0]),
        low_new_corpora=float(new_low[0]),
        high_new_corpora=float(new_high[0]),
        p_value=float(chance[0]),
    )


def summaries(reports: Sequence[EvaluationReport], metric: str = "ndcg@10") -> list[Summary]:
    """A summary of each comparison that all reports have."""
    return [
        summarise(reports, system.name, over=over, metric=metric)
        for system in reports[0].systems
        for over in system.gains
        if all(_has(report, system.name, over, metric) for report in reports)
    ]


def _has(report: EvaluationReport, system: str, over: str, metric: str) -> bool:
    return any(s.name == system and metric in s.gains.get(over, {}) for s in report.systems)


def _corpus_gain(report: EvaluationReport, system: str, over: str, metric: str) -> CorpusGain:
    over = over or report.first_stage
    if not _has(report, system, over, metric):
        raise InvalidRequestError(
            f"the report of corpus {report.corpus_id} has no {metric} of {system} compared with {over}"
        )
    after = report.system(system)
    return CorpusGain(
        corpus_id=report.corpus_id,
        queries=len(report.queries),
        before=report.system(over).metrics[metric],
        after=after.metrics[metric],
        gain=after.gains[over][metric],
    )


def _differences(report: EvaluationReport, system: str, over: str, metric: str) -> Values:
    after = np.array(report.system(system).values[metric])
    before = np.array(report.system(over or report.first_stage).values[metric])
    column: Values = (after - before)[:, None]
    return column


def _new_corpora(drawn: Values, seed: int) -> Values:
    """Means over corpora that are drawn with replacement, each with queries drawn anew."""
    samples, corpora = drawn.shape
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, samples, (samples, corpora))
    which = rng.integers(0, corpora, (samples, corpora))
    return np.asarray(drawn[rows, which].mean(axis=1, keepdims=True))
