"""Proof that a rewritten graph scores like the one it was made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rerankd.backends.base import Float32Array
from rerankd.backends.onnx.golden import TOLERANCES

EXACT = 1e-5
"""Largest difference of two logits that are the same but for rounding, absolute plus relative."""
_COARSE = 0.15
"""Largest root mean square difference in a coarser arithmetic, as a part of how far scores spread."""


def exact_difference(original: Sequence[Float32Array], rewritten: Sequence[Float32Array]) -> str | None:
    """Why two lists of results are not the same; None where they are."""
    worst = 0.0
    for wanted, got in zip(original, rewritten, strict=True):
        if wanted.shape != got.shape:
            return f"its results have shape {got.shape} instead of {wanted.shape}"
        both = np.isfinite(wanted) & np.isfinite(got)
        if not np.array_equal(np.isfinite(wanted), both):
            return "some of its results are not finite"
        worst = max(worst, float((np.abs(got - wanted) / (1 + np.abs(wanted)))[both].max(initial=0.0)))
    return None if worst <= EXACT else f"it changes results by {worst:.2g}; {EXACT:g} is allowed"


def half_difference(original: Sequence[Float32Array], rewritten: Sequence[Float32Array]) -> str | None:
    """Why half precision is too coarse for a model; None where every result is as near as is published."""
    allowed = TOLERANCES["fp16"]
    for wanted, got in zip(original, rewritten, strict=True):
        if wanted.shape != got.shape or not np.isfinite(got).all():
            return "its results are not finite"
        for reference, value in zip(wanted.reshape(-1).tolist(), got.reshape(-1).tolist(), strict=True):
            if not allowed.allows(value, reference):
                return (
                    f"it changes a result from {reference:.4g} to {value:.4g}; {allowed.absolute:g} and "
                    f"{allowed.relative:.0%} are allowed"
                )
    return None


def coarse_difference(original: Sequence[Float32Array], rewritten: Sequence[Float32Array]) -> str | None:
    """Why a coarser arithmetic is too coarse for a model; None where it is not."""
    wanted = np.concatenate([part.reshape(-1) for part in original])
    got = np.concatenate([part.reshape(-1) for part in rewritten])
    if wanted.shape != got.shape or not np.isfinite(got).all():
        return "its results are not finite"
    off, spread = float(np.sqrt(np.mean((got - wanted) ** 2))), float(wanted.std())
    if off <= _COARSE * spread:
        return None
    return f"it changes results by {off:.2g} where they spread by {spread:.2g}; {_COARSE:.0%} is allowed"
