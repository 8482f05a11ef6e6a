"""From what a classifier head gives to the one logit of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rerankd.backends.base import Float32Array
from rerankd.core.errors import ModelFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How to read the output of a graph."""

    classes: int
    """Values for each pair; 1 = they are the logits."""
    positive_class: int = 0
    """Which of several values speaks for "relevant"."""

    def logits(self, output: npt.NDArray[np.floating]) -> Float32Array:
        """One logit a pair, so that its sigmoid is the softmax probability of the positive class."""
        values = np.asarray(output, dtype=np.float32).reshape(-1, self.classes)
        if self.classes == 1:
            return values[:, 0]
        positive = values[:, self.positive_class]
        others = np.delete(values, self.positive_class, axis=1)
        # The core reports a NaN with its document; numpy's warning about it would say less.
        with np.errstate(invalid="ignore"):
            logits: Float32Array = positive - np.logaddexp.reduce(others, axis=1)
        return logits


def read_head(shape: tuple[int, ...], rows: int, positive_class: int | None) -> Head:
    """The head of a graph that gave an output of this shape for so many pairs.

    Two classes mean (irrelevant, relevant) unless the label names say otherwise; with more, only
    the label names can tell.

    Raises:
        ModelFailedError: It is not one value, or one for each class, per pair.
    """
    classes = shape[1] if len(shape) == 2 else 1
    if len(shape) not in (1, 2) or shape[0] != rows or classes < 1:
        raise ModelFailedError(
            f"the output for {rows} pairs has shape {shape}; ({rows}, 1), ({rows}, 2) or ({rows},) is needed"
        )
    if positive_class is not None and positive_class >= classes:
        positive_class = None
    if classes == 1:
        return Head(classes=1)
    if classes > 2 and positive_class is None:
        raise ModelFailedError(
            f"the output has {classes} values for each pair and config.json names none of them as the "
            "positive class: this is an embedding model or another kind of classifier"
        )
    return Head(classes=classes, positive_class=1 if positive_class is None else positive_class)
