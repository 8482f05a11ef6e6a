"""From training groups to the examples of a loss, on disk and mapped into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rerankd.config.training import RunConfig
from rerankd.training.runs.failures import BadDataError
from rerankd.training.runs.groups import Split, candidates_of
from rerankd.training.runs.targets import log_target, mixed_distribution
from rerankd.training.types import TrainingGroup

if TYPE_CHECKING:
    from datasets import Dataset

Groups = Callable[[], Iterator[TrainingGroup]]
Texts = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What is trained on."""

    dataset: Dataset
    pairs: int
    """Of a query and a document, in one epoch."""
    groups: int
    negatives_per_positive: float


def build_examples(
    groups: Groups, split: Split, config: RunConfig, *, shorten_query: Texts, cache: Path
) -> Examples:
    """The examples of the training queries.

    Raises:
        BadDataError: There are none, or a group cannot be learned from.
    """
    from datasets import Dataset, Features, Sequence, Value

    counts = _counts(groups, split, config.max_documents_per_query)
    if not counts.groups:
        raise BadDataError(
            "no training query is left: all groups are of dev or test queries; mine more, or lower "
            "dev_fraction"
        )
    numbers = Sequence(Value("float32"))
    document = Value("string") if config.loss == "bce" else Sequence(Value("string"))
    features = Features({"query": Value("string"), "document": document, "label": numbers})
    rows = _Rows(groups, split, config, shorten_query, counts.mean_weight)
    dataset = Dataset.from_generator(
        rows.pairs if config.loss == "bce" else rows.lists, features=features, cache_dir=str(cache)
    )
    return Examples(
        dataset=dataset,
        pairs=counts.pairs,
        groups=counts.groups,
        negatives_per_positive=counts.negatives / counts.positives,
    )


def cut(text: str, characters: int) -> str:
    """The part of a document that is tokenized."""
    return text[:characters] if characters else text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    groups: int
    positives: int
    negatives: int
    pairs: int
    mean_weight: float


def _counts(groups: Groups, split: Split, most: int) -> _Counts:
    weights: list[float] = []
    positives = negatives = pairs = 0
    for group in groups():
        if split.trains(group):
            weights.append(group.weight)
            relevant = sum(document.label > 0 for document in group.documents)
            positives += relevant
            negatives += len(group.documents) - relevant
            pairs += min(most, len(group.documents))
    if weights and not (min(weights) >= 0 and sum(weights) > 0):
        raise BadDataError("the weights of the training groups must be 0 or more, and not all 0; mine again")
    return _Counts(
        groups=len(weights),
        positives=max(1, positives),
        negatives=negatives,
        pairs=pairs,
        mean_weight=float(np.mean(weights)) if weights else 1.0,
    )


class _Rows:
    """Rows for `Dataset.from_generator`; weights have mean 1, so that they leave the step size alone."""

    def __init__(
        self, groups: Groups, split: Split, config: RunConfig, shorten_query: Texts, mean_weight: float
    ) -> None:
        self._groups = groups
        self._split = split
        self._config = config
        self._shorten_query = shorten_query
        self._mean_weight = mean_weight

    def lists(self) -> Iterator[dict[str, object]]:
        for group, kept in self._chosen():
            documents = [group.documents[number] for number in kept]
            target = mixed_distribution(
                documents,
                teacher_weight=self._config.distillation_weight
                if self._config.loss == "distillation"
                else 0.0,
                temperature=self._config.teacher_temperature,
            )
            yield {
                "query": self._shorten_query(group.query),
                "document": [cut(document.text, self._config.snippet_chars) for document in documents],
                "label": [*log_target(target), group.weight / self._mean_weight],
            }

    def pairs(self) -> Iterator[dict[str, object]]:
        for group, kept in self._chosen():
            query = self._shorten_query(group.query)
            for document in (group.documents[number] for number in kept):
                yield {
                    "query": query,
                    "document": cut(document.text, self._config.snippet_chars),
                    "label": [min(1.0, max(0.0, document.label)), group.weight / self._mean_weight],
                }

    def _chosen(self) -> Iterator[tuple[TrainingGroup, Sequence[int]]]:
        random = np.random.default_rng(self._config.seed)
        for group in self._groups():
            if self._split.trains(group):
                yield group, candidates_of(group, self._config.max_documents_per_query, random)
