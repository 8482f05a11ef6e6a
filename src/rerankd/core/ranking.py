"""From logits to a ranking: scores, order and ties, bounded top n, blending, thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rerankd.core.types import Options, Result


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)) without overflow, in double precision."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1.0 + power)


def score_of(logit: float, options: Options) -> float:
    """The score that the caller sees for a logit: its sigmoid, or itself with `raw_scores`."""
    return logit if options.raw_scores else sigmoid(logit)


def _order(result: Result) -> tuple[bool, float, float, int]:
    """Sort key, ascending: scored first, best score first, then the earlier document.

    The logit breaks ties that the sigmoid's rounding makes, so that saturated scores keep the
    model's order.
    """
    logit = result.logit if result.logit is not None else 0.0
    return (not result.scored, -result.score, -logit, result.index)


def ordered(results: Iterable[Result]) -> list[Result]:
    """Score descending, ties by index ascending, unscored after scored."""
    return sorted(results, key=_order)


def final_ranking(results: Iterable[Result], options: Options) -> tuple[Result, ...]:
    """Blends, orders, applies `min_score` and `top_n`, and numbers the ranks from 1."""
    blended = blend(list(results), options.original_score_weight)
    kept = [
        r
        for r in ordered(blended)
        if options.min_score is None or (r.scored and r.score >= options.min_score)
    ]
    if options.top_n:
        kept = kept[: options.top_n]
    return _numbered(kept)


def passthrough(results: Iterable[Result], options: Options) -> tuple[Result, ...]:
    """The given order, cut to `top_n`: what a caller gets when nothing could be scored."""
    kept = sorted(results, key=lambda r: r.index)
    return _numbered(kept[: options.top_n] if options.top_n else kept)


def _numbered(results: Iterable[Result]) -> tuple[Result, ...]:
    return tuple(replace(result, rank=rank) for rank, result in enumerate(results, start=1))


def blend(results: Sequence[Result], weight: float) -> Sequence[Result]:
    """Mixes each scored result with the score that the document came with.

    `score = (1 - weight) * z(score) + weight * z(original_score)`, where z is the z-score (mean 0,
    standard deviation 1) over the scored results of this request; a side without spread counts as
    0. A document that came without a score takes the lowest original of the request. Weight 0
    leaves the model's scores as they are.
    """
    scored = [r for r in results if r.scored]
    if not weight or not scored:
        return results
    originals = [r.original_score for r in scored]
    lowest = min((o for o in originals if o is not None), default=0.0)
    # The logit, where there is one: the sigmoid flattens exactly the differences that matter here.
    model = _z_scores([r.logit if r.logit is not None else r.score for r in scored])
    first_stage = _z_scores([lowest if o is None else o for o in originals])
    mixed = (1.0 - weight) * model + weight * first_stage
    unscored = [r for r in results if not r.scored]
    return [replace(r, score=float(s)) for r, s in zip(scored, mixed, strict=True)] + unscored


def _z_scores(values: Sequence[float]) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    # Scaled first, so that originals near the largest double do not overflow in the square.
    scale = float(np.max(np.abs(array)))
    if scale == 0.0:
        return np.zeros_like(array)
    array = array / scale
    deviation = float(array.std())
    if deviation < 1e-12:
        return np.zeros_like(array)
    centred: npt.NDArray[np.float64] = (array - array.mean()) / deviation
    return centred
