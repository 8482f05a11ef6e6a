"""What a model is to learn from a group: labels, or distributions over its documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rerankd.training.runs.failures import BadDataError
from rerankd.training.types import GroupDocument

Float64Array = npt.NDArray[np.float64]

_LEAST = 1e-12
"""Least probability in a target: its logarithm has to be finite, its share of a sum does not matter."""


def label_distribution(documents: Sequence[GroupDocument]) -> Float64Array:
    """Each document's share of the labels; graded labels share in proportion.

    Raises:
        BadDataError: No document is positive.
    """
    labels = np.array([max(0.0, document.label) for document in documents])
    if not labels.sum() > 0:
        raise BadDataError("a training group has no document with a label above 0; mine again")
    distribution: Float64Array = labels / labels.sum()
    return distribution


def teacher_distribution(documents: Sequence[GroupDocument], temperature: float) -> Float64Array | None:
    """Softmax of the standardised scores, mean over the teachers; None where no teacher scored them all."""
    names = set(documents[0].teachers).intersection(*(document.teachers for document in documents))
    each = [
        _softmax(_standardised([document.teachers[name] for document in documents]) / temperature)
        for name in sorted(names)
    ]
    if not each:
        return None
    mean: Float64Array = np.mean(each, axis=0)
    return mean


def mixed_distribution(
    documents: Sequence[GroupDocument], *, teacher_weight: float, temperature: float
) -> Float64Array:
    """(1 - w) of the labels and w of the teachers; the labels alone where no teacher scored the group."""
    labels = label_distribution(documents)
    teachers = teacher_distribution(documents, temperature) if teacher_weight > 0 else None
    if teachers is None:
        return labels
    mixed: Float64Array = (1 - teacher_weight) * labels + teacher_weight * teachers
    return mixed


def log_target(distribution: Float64Array) -> list[float]:
    """What ListNetLoss is given: it takes the softmax of its labels, and so gets the distribution back."""
    logarithms: list[float] = np.log(np.maximum(distribution, _LEAST)).tolist()
    return logarithms


def _standardised(scores: Sequence[float]) -> Float64Array:
    values = np.array(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise BadDataError("a teacher's score in the training groups is not finite; mine again")
    deviation = values.std()
    centred: Float64Array = values - values.mean()
    return centred / deviation if deviation > 1e-9 else centred * 0


def _softmax(values: Float64Array) -> Float64Array:
    powers = np.exp(values - values.max())
    shares: Float64Array = powers / powers.sum()
    return shares
