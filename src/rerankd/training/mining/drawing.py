"""Groups out of the candidates of a query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest

import numpy as np

from rerankd.config.training import MiningConfig
from rerankd.training.mining.candidates import Candidates
from rerankd.training.mining.guards import Guard
from rerankd.training.mining.positives import WantedPositive, WantedQuery
from rerankd.training.types import GroupDocument, TrainingGroup

_HARDEST = 2
"""The model's negatives are drawn from so many times as many of its highest: groups of a query differ."""


class GroupMaker:
    """Draws the negatives of each group; counts where they are from, and what was left out and why."""

    def __init__(self, config: MiningConfig, dropped: Counter[str]) -> None:
        self._config = config
        self._dropped = dropped
        self.negatives: Counter[str] = Counter()

    def groups(
        self, query: WantedQuery, candidates: Candidates, rng: np.random.Generator
    ) -> Iterator[TrainingGroup]:
        """The groups of a query."""
        with_text = [positive for positive in query.positives if positive.id in candidates.texts]
        self._dropped["positive_without_text"] += len(query.positives) - len(with_text)
        for positives in dealt(with_text):
            negatives = self._negatives(positives, candidates, rng)
            if not negatives:
                self._dropped["no_negative"] += len(positives)
                continue
            self.negatives.update(negatives.values())
            labels = {positive.id: positive.label for positive in positives}
            yield TrainingGroup(
                query_id=query.id,
                query=query.text,
                documents=tuple(
                    GroupDocument(
                        id=document,
                        text=candidates.texts[document],
                        label=labels.get(document, 0.0),
                        teachers={
                            teacher: scores[document]
                            for teacher, scores in candidates.teachers.items()
                            if document in scores
                        },
                    )
                    for document in (*labels, *negatives)
                ),
                weight=sum(positive.weight for positive in positives) / len(positives),
                source=query.source,
            )

    def _negatives(
        self, positives: Sequence[WantedPositive], candidates: Candidates, rng: np.random.Generator
    ) -> dict[str, str]:
        """Where each negative is from, by its id."""
        wanted = self._config.negatives_per_positive * len(positives)
        at_random = min(self._config.random_negatives * len(positives), wanted)
        hard = wanted - at_random
        judged = _shuffled(candidates.judged, rng)
        skipped = _shuffled(self._other_texts(candidates.skipped, positives, candidates), rng)
        near = self._other_texts(candidates.bm25, positives, candidates)
        ranked = _shuffled(self._guarded(near, positives, candidates), rng)
        # Not guarded: what is drawn from the whole corpus is hardly ever relevant, and where the model in use
        # thinks little of the positive, nothing else would be left to teach it better.
        far = _shuffled(self._other_texts(candidates.random, positives, candidates), rng)
        drawn: dict[str, str] = {}
        # What people said comes first, and leaves half of the room to what they did not see.
        _top_up(drawn, judged, "judged", (hard + 1) // 2)
        _top_up(drawn, skipped, "skipped", (hard + 1) // 2)
        self._fill(drawn, ranked, hard, candidates)
        _top_up(drawn, judged, "judged", hard)
        _top_up(drawn, skipped, "skipped", hard)
        _top_up(drawn, far, "random", len(drawn) + at_random)
        # What is too few of one kind is made up by the others.
        for pool, source in ((far, "random"), (ranked, "bm25"), (judged, "judged"), (skipped, "skipped")):
            _top_up(drawn, pool, source, wanted)
        return drawn

    def _fill(self, drawn: dict[str, str], ranked: Sequence[str], most: int, candidates: Candidates) -> None:
        room = max(0, most - len(drawn))
        sources = [s for s in self._config.hard_negatives if s != "model" or candidates.logits]
        if "model" in sources:
            share = room if sources == ["model"] else room // 2
            hardest = sorted(ranked, key=lambda i: -candidates.logits[i])[: _HARDEST * share]
            # `ranked` is shuffled, so its order is a draw among the hardest.
            chosen = [document for document in ranked if document in set(hardest)][:share]
            drawn.update(dict.fromkeys(chosen, "model"))
        if "bm25" in sources:
            _top_up(drawn, ranked, "bm25", most)

    def _guarded(
        self, ids: Iterable[str], positives: Sequence[WantedPositive], candidates: Candidates
    ) -> list[str]:
        logits = candidates.logits
        if not logits:
            return list(ids)
        best = max(positives, key=lambda positive: positive.label).id
        guard = Guard(positive=logits[best], lowest=min(logits.values()), config=self._config)
        return self._without(ids, lambda i: guard.reason_to_refuse(logits[i]))

    def _other_texts(
        self, ids: Iterable[str], positives: Sequence[WantedPositive], candidates: Candidates
    ) -> list[str]:
        same = {_words(candidates.texts[positive.id]) for positive in positives}
        return self._without(ids, lambda i: "same_text" if _words(candidates.texts[i]) in same else "")

    def _without(self, ids: Iterable[str], reason_to_drop: Callable[[str], str]) -> list[str]:
        left = []
        for document in ids:
            if reason := reason_to_drop(document):
                self._dropped[reason] += 1
            else:
                left.append(document)
        return left


def dealt(positives: Iterable[WantedPositive]) -> Iterator[list[WantedPositive]]:
    """Positives parted so that none of a group has the label of another: grades are learned from each other.

    Where all labels are the same, each has a group of its own.
    """
    levels: dict[float, list[WantedPositive]] = {}
    for positive in positives:
        levels.setdefault(positive.label, []).append(positive)
    ordered = [levels[label] for label in sorted(levels, reverse=True)]
    for group in zip_longest(*ordered):
        yield [positive for positive in group if positive is not None]


def _top_up(drawn: dict[str, str], pool: Iterable[str], source: str, most: int) -> None:
    for document in pool:
        if len(drawn) >= most:
            return
        drawn.setdefault(document, source)


def _words(text: str) -> str:
    return " ".join(text.split())


def _shuffled(ids: Iterable[str], rng: np.random.Generator) -> list[str]:
    ordered = list(ids)
    return [ordered[place] for place in rng.permutation(len(ordered))]
