"""Intervals and tests: against scipy, against what must hold, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rerankd.training.evaluation import significance
from rerankd.training.evaluation.significance import bootstrap_means, flipped_means, interval, p_values


def differences(count: int = 80, mean: float = 0.05, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.2, (count, 1))


def test_intervals_are_those_of_scipy() -> None:
    sample = differences()
    low, high = interval(bootstrap_means(sample, 20_000, 3), 0.95)
    theirs = stats.bootstrap(
        (sample[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert float(low[0]) == pytest.approx(theirs.low, abs=2e-3)
    assert float(high[0]) == pytest.approx(theirs.high, abs=2e-3)


def test_p_values_are_those_of_scipy() -> None:
    for mean in (0.0, 0.03, 0.06):
        sample = differences(mean=mean)
        ours = p_values(sample.mean(axis=0), flipped_means(sample, 20_000, 3))
        theirs = stats.permutation_test(
            (sample[:, 0],),
            np.mean,
            permutation_type="samples",
            n_resamples=20_000,
            rng=np.random.default_rng(4),
        )
        assert float(ours[0]) == pytest.approx(theirs.pvalue, abs=0.015)


def test_the_exact_p_value_of_few_queries() -> None:
    """Of four queries that all gain the same, 2 of the 16 sign patterns are as far from 0."""
    sample = np.full((4, 1), 0.25)
    found = p_values(sample.mean(axis=0), flipped_means(sample, 50_000, 1))
    assert float(found[0]) == pytest.approx(2 / 16, abs=0.01)


def test_no_difference_is_no_evidence() -> None:
    nothing = np.zeros((50, 1))
    assert p_values(nothing.mean(axis=0), flipped_means(nothing, 1000, 1)) == [1.0]
    low, high = interval(bootstrap_means(nothing, 1000, 1), 0.95)
    assert (low, high) == ([0.0], [0.0])


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        sample = differences(60, 0.1, seed)
        low, high = interval(bootstrap_means(sample, 500, seed), 0.9)
        covered += bool(low[0] <= 0.1 <= high[0])
    assert 0.82 <= covered / 200 <= 0.97


def test_the_same_seed_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.hstack([differences(seed=1), differences(seed=2)])
    once = bootstrap_means(columns, 300, 9), flipped_means(columns, 300, 9)
    twice = bootstrap_means(columns, 300, 9), flipped_means(columns, 300, 9)
    assert (once[0] == twice[0]).all()
    assert (once[1] == twice[1]).all()
    assert (bootstrap_means(columns, 300, 10) != once[0]).any()
    # However many resamples fit into a block.
    monkeypatch.setattr(significance, "_CHUNK_CELLS", 80 * 7)
    assert np.allclose(bootstrap_means(columns, 300, 9), once[0])
    assert np.allclose(flipped_means(columns, 300, 9), once[1])


def test_columns_share_their_resamples() -> None:
    before = differences(seed=1)
    drawn = bootstrap_means(np.hstack([before, before + 0.1]), 500, 3)
    low, high = interval(drawn[:, 1:] - drawn[:, :1], 0.95)
    assert (float(low[0]), float(high[0])) == pytest.approx((0.1, 0.1))
