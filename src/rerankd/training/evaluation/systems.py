"""From the values of each query to estimates and gains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rerankd.config.training import EvaluationConfig
from rerankd.training.evaluation.measures import Values
from rerankd.training.evaluation.report import Estimate, Gain, System
from rerankd.training.evaluation.significance import bootstrap_means, flipped_means, interval, p_values

SAME = 1e-12
"""Two values of a metric closer than this differ by rounding only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A ranking of the candidates of every query."""

    name: str
    scorer: str = ""
    original_score_weight: float = 0.0
    refused: int = 0
    rankings: Sequence[Sequence[str]]


def systems_of(
    rankings: Sequence[Ranked], values: Sequence[Mapping[str, Values]], config: EvaluationConfig
) -> tuple[System, ...]:
    """Estimates of every metric of every ranking, and their gains over each other.

    The first ranking is the first stage's. One set of resamples serves all of them.
    """
    metrics = tuple(values[0])
    columns = np.stack([found[metric] for found in values for metric in metrics], axis=1)
    drawn = bootstrap_means(columns, config.bootstrap_samples, config.seed)
    low, high = interval(drawn, config.confidence)
    at = {
        (number, metric): column
        for column, (number, metric) in enumerate((n, m) for n in range(len(values)) for m in metrics)
    }
    pairs = [(number, other) for number in range(len(rankings)) for other in _others(number, rankings)]
    gains = _gains(pairs, metrics, values, drawn, at, config)
    return tuple(
        System(
            name=ranked.name,
            scorer=ranked.scorer,
            original_score_weight=ranked.original_score_weight,
            refused_queries=ranked.refused,
            metrics={
                metric: Estimate(
                    mean=float(values[number][metric].mean()),
                    low=float(low[at[number, metric]]),
                    high=float(high[at[number, metric]]),
                )
                for metric in metrics
            },
            values={metric: tuple(values[number][metric].tolist()) for metric in metrics},
            gains={
                rankings[other].name: {metric: gains[first, other, metric] for metric in metrics}
                for first, other in pairs
                if first == number
            },
        )
        for number, ranked in enumerate(rankings)
    )


def _others(number: int, rankings: Sequence[Ranked]) -> Iterator[int]:
    """What a ranking is compared with: the first stage, and the first scorer in the same blend."""
    ranked = rankings[number]
    if not ranked.scorer:
        return
    yield 0
    for other, candidate in enumerate(rankings[:number]):
        same_blend = candidate.original_score_weight == ranked.original_score_weight
        if candidate.scorer and candidate.scorer != ranked.scorer and same_blend:
            yield other
            return


def _gains(
    pairs: Sequence[tuple[int, int]],
    metrics: Sequence[str],
    values: Sequence[Mapping[str, Values]],
    drawn: Values,
    at: Mapping[tuple[int, str], int],
    config: EvaluationConfig,
) -> dict[tuple[int, int, str], Gain]:
    keys = [(first, other, metric) for first, other in pairs for metric in metrics]
    if not keys:
        return {}
    differences = np.stack([values[a][metric] - values[b][metric] for a, b, metric in keys], axis=1)
    means = differences.mean(axis=0)
    resampled = np.stack([drawn[:, at[a, metric]] - drawn[:, at[b, metric]] for a, b, metric in keys], axis=1)
    low, high = interval(resampled, config.confidence)
    flipped = flipped_means(differences, config.permutations, config.seed)
    chance = p_values(means, flipped)
    return {
        key: gain_of(differences[:, n], float(low[n]), float(high[n]), float(chance[n]))
        for n, key in enumerate(keys)
    }


def gain_of(differences: Values, low: float, high: float, p_value: float) -> Gain:
    """A gain from its differences, interval and p-value."""
    return Gain(
        mean=float(differences.mean()),
        low=low,
        high=high,
        p_value=p_value,
        wins=int((differences > SAME).sum()),
        losses=int((differences < -SAME).sum()),
        ties=int((np.abs(differences) <= SAME).sum()),
    )
