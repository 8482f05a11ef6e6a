"""How far two computations of one model are apart, on real queries with their candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from rerankd.artifacts.directory import DirectoryModel
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxSettings, Precision, Provider, load
from rerankd.core.errors import InvalidRequestError
from rerankd.core.types import WarmupStage
from rerankd.training.evaluation.measures import metrics_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from rerankd.backends.onnx import OnnxBackend

Logits = npt.NDArray[np.float64]
_BATCHES = (1, 2, 7, 16)
"""Sizes of batches, in turn: a graph that takes one of them for a constant does not get through."""

_METRIC = "ndcg@10"
_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DevQuery:
    """A query with candidates, on which two computations of a model are compared."""

    query: str
    texts: tuple[str, ...]
    labels: tuple[float, ...]
    """0 = not relevant; what is above counts as gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far one computation of a model is from another, on the same pairs."""

    pairs: int
    queries: int
    max_logit_change: float
    rms_logit_change: float
    kendall_tau: float
    """Mean over the queries of the agreement of the two orders; 1 = the same."""
    ndcg_before: float
    ndcg_after: float
    """nDCG@10, mean over the queries."""

    @property
    def ndcg_change(self) -> float:
        """What the second computation gains."""
        return self.ndcg_after - self.ndcg_before

    def as_record(self) -> dict[str, float | int]:
        """For JSON."""
        return {**asdict(self), "ndcg_change": self.ndcg_change}


class Scores(Protocol):
    """One computation of the model."""

    def score(self, query: DevQuery) -> Logits:
        """Logits of the query's texts."""


class TorchScores:
    """The model as it was trained, in float32 on the CPU, with its own tokenizer."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens

    def score(self, query: DevQuery) -> Logits:
        """Logits of the query's texts, in batches of several sizes."""
        import torch

        parts = []
        for texts in _batches(query.texts):
            encoded = self._tokenizer(
                [query.query] * len(texts),
                list(texts),
                truncation="only_second",
                max_length=self._max_tokens,
                padding=True,
                return_tensors="pt",
            )
            with torch.inference_mode():
                logits = self._model(**encoded).logits
            parts.append(logits.reshape(-1).double().numpy())
        return np.concatenate(parts)


class ServedScores:
    """A directory as the server loads it: same files, same checks, same tokenizer.

    Attributes:
        notes: What the backend says about its session: provider, rewrites.
        precision: What it computes in.
    """

    def __init__(self, directory: Path, precision: Precision, *, max_tokens: int, threads: int) -> None:
        """Loads it.

        Raises:
            ModelFailedError: It cannot be served.
        """
        self.notes = ""
        settings = OnnxSettings(
            provider=Provider.CPU, precision=precision, max_tokens=max_tokens, threads=threads
        )
        files = DirectoryModel(id=directory.name, directory=directory).load()
        self._backend: OnnxBackend = load(files, settings, self._report)
        self.revision = files.revision
        self.precision = self._backend.description.precision
        self.max_tokens = self._backend.description.max_tokens

    def score(self, query: DevQuery) -> Logits:
        """Logits of the query's texts, in batches of several sizes."""
        encoded = self._backend.encode_query(query.query)
        parts = []
        for texts in _batches(query.texts):
            pairs = [
                windows[0] for windows in self._backend.encode_documents(encoded, texts, EncodeOptions())
            ]
            parts.append(self._backend.score(pairs, 0).astype(np.float64))
        return np.concatenate(parts)

    def takes(self, query: DevQuery) -> bool:
        """Whether the query leaves its documents room."""
        try:
            self._backend.encode_query(query.query)
        except InvalidRequestError:
            return False
        return True

    def close(self) -> None:
        """Frees the weights."""
        self._backend.close()

    def _report(self, stage: WarmupStage, fraction: float, detail: str) -> None:
        if stage is WarmupStage.SESSION and fraction == 1.0:
            self.notes = detail


def all_scores(scores: Scores, queries: Sequence[DevQuery]) -> list[Logits]:
    """Logits of every query's texts."""
    return [scores.score(query) for query in queries]


def compare(queries: Sequence[DevQuery], before: Sequence[Logits], after: Sequence[Logits]) -> Parity:
    """The two computations side by side."""
    changes = np.concatenate([np.zeros(0), *(new - old for old, new in zip(before, after, strict=True))])
    # Equal texts get equal scores but for rounding, whose order says nothing.
    before = [old.round(_DIGITS) for old in before]
    after = [new.round(_DIGITS) for new in after]
    taus = [_tau(old, new) for old, new in zip(before, after, strict=True)]
    return Parity(
        pairs=len(changes),
        queries=len(queries),
        max_logit_change=float(np.abs(changes).max(initial=0.0)),
        rms_logit_change=float(np.sqrt(np.mean(changes**2))) if len(changes) else 0.0,
        kendall_tau=float(np.mean([tau for tau in taus if tau is not None] or [1.0])),
        ndcg_before=_ndcg(queries, before),
        ndcg_after=_ndcg(queries, after),
    )


def _tau(before: Logits, after: Logits) -> float | None:
    """None where a query has no two documents that differ."""
    from scipy.stats import kendalltau

    if len(before) < 2 or np.ptp(before) == 0 or np.ptp(after) == 0:
        return None
    return float(kendalltau(before, after).statistic)


def _ndcg(queries: Sequence[DevQuery], logits: Sequence[Logits]) -> float:
    judgments, rankings = [], []
    for query, values in zip(queries, logits, strict=True):
        ids = [f"{number:06d}" for number in range(len(values))]
        judgments.append(dict(zip(ids, query.labels, strict=True)))
        # Places of the list say nothing, so equal scores are in the order from its end.
        rankings.append(sorted(ids, key=lambda name: (values[int(name)], int(name)), reverse=True))
    if not queries:
        return 0.0
    return float(metrics_of([_METRIC], judgments, rankings)[_METRIC].mean())


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = turn = 0
    while start < len(texts):
        size = _BATCHES[turn % len(_BATCHES)]
        yield texts[start : start + size]
        start, turn = start + size, turn + 1
