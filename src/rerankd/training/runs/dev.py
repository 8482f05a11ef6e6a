"""How good the model is on the dev queries, while it is trained. Imported by the worker alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.model import BaseModel
from sentence_transformers.cross_encoder import CrossEncoder
from torch import nn

from rerankd.training.evaluation.measures import metrics_of

_SLICE = 256
"""Pairs between two looks at whether the run is to stop."""

_DIGITS = 5
"""Equal texts get equal scores but for rounding, which depends on their neighbours in a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevGroup:
    """A dev query with its candidates."""

    query: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    gains: Mapping[str, float]
    """Document -> label, also of judged documents that are no candidates."""


def metric_names(k: int) -> tuple[str, ...]:
    """What every evaluation tells."""
    return tuple(f"{kind}@{k}" for kind in ("ndcg", "mrr", "map", "recall"))


class DevEvaluator(BaseEvaluator):
    """Reranks the candidates of the dev queries; metrics by ir-measures."""

    def __init__(
        self, groups: Sequence[DevGroup], *, k: int, batch_size: int, stopping: Callable[[], bool]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._groups = groups
        self._names = metric_names(k)
        self._batch_size = batch_size
        self._stopping = stopping

    def __call__(
        self, model: BaseModel, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """The mean of each metric; all NaN where the run is to stop before it is done."""
        scores = self._scores(cast("CrossEncoder", model))
        if scores is None:
            return dict.fromkeys(self._names, math.nan)
        rankings = [_ranking(group.ids, part) for group, part in zip(self._groups, scores, strict=True)]
        values = metrics_of(self._names, [group.gains for group in self._groups], rankings)
        return {name: float(values[name].mean()) for name in self._names}

    def _scores(self, model: CrossEncoder) -> list[np.ndarray[Any, np.dtype[np.float64]]] | None:
        pairs = [(group.query, text) for group in self._groups for text in group.texts]
        parts = []
        for start in range(0, len(pairs), _SLICE):
            if self._stopping():
                return None
            part = model.predict(
                pairs[start : start + _SLICE],
                batch_size=self._batch_size,
                activation_fn=nn.Identity(),
                show_progress_bar=False,
            )
            parts.append(np.asarray(part, dtype=np.float64))
        ends = np.cumsum([len(group.texts) for group in self._groups])
        return np.split(np.concatenate(parts), ends[:-1])


def _ranking(ids: Sequence[str], scores: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    """Best first; equal scores by id, so that the order of the group, positives first, is worth nothing."""
    order = sorted(range(len(ids)), key=lambda number: (-round(float(scores[number]), _DIGITS), ids[number]))
    return [ids[number] for number in order]
