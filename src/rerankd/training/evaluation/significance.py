"""How sure a mean over queries is: bootstrap intervals and a randomisation test, both paired.

Both take a matrix with one row for each query and one column for each quantity (a metric, or the difference
of a metric between two rankings). All columns share the resamples, so that what is compared is compared on
the same draws. The same seed gives the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_CHUNK_CELLS = 4_000_000
"""Cells of one block of resamples, 32 MB: more queries mean fewer resamples at a time."""

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How the samples are drawn."""

    samples: int = 10_000
    permutations: int = 10_000
    confidence: float = 0.95
    seed: int = 13


def bootstrap_means(columns: Matrix, samples: int, seed: int) -> Matrix:
    """Means of each column over queries drawn with replacement; one row for each resample."""
    rng = np.random.default_rng(seed)
    count = len(columns)
    means = np.empty((samples, columns.shape[1]))
    rows = max(1, _CHUNK_CELLS // count)
    for start in range(0, samples, rows):
        size = min(rows, samples - start)
        drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        means[start : start + size] = times @ columns / count
    return means


def interval(means: Matrix, confidence: float) -> tuple[Matrix, Matrix]:
    """The percentile interval of each column of `bootstrap_means`."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return low, high


def flipped_means(columns: Matrix, permutations: int, seed: int) -> Matrix:
    """Means of each column with the sign of every query's differences flipped at random.

    Where two rankings are equally good it is chance which of them is called the first.
    """
    rng = np.random.default_rng(seed)
    count = len(columns)
    means = np.empty((permutations, columns.shape[1]))
    rows = max(1, _CHUNK_CELLS // count)
    for start in range(0, permutations, rows):
        size = min(rows, permutations - start)
        signs = 2.0 * rng.integers(0, 2, (size, count)) - 1.0
        means[start : start + size] = signs @ columns / count
    return means


def p_values(observed: npt.NDArray[np.float64], flipped: Matrix) -> npt.NDArray[np.float64]:
    """Two-sided: the share of random means at least as far from 0, the observed one counted among them."""
    further = (np.abs(flipped) >= np.abs(observed) - _ROUNDING).sum(axis=0)
    found: npt.NDArray[np.float64] = (1.0 + further) / (1.0 + len(flipped))
    return found
