"""Candidates of each query, with what two teachers think of them: BM25, and the trunk as a bi-encoder."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
import numpy.typing as npt
import Stemmer
import torch
from pairs import SEED, Asked, Material
from transformers import AutoModel, AutoTokenizer
from trunk import trunk_directory

from rerankd.training.types import GroupDocument, TrainingGroup

Float64Array = npt.NDArray[np.float64]

DEPTH = 100
"""Ranks of BM25 that the scores are standardised over, and that negatives are drawn from."""

_FEWEST = 20
"""A query for which BM25 finds fewer says little about its teachers."""

_DRAWN = ((0, 12, 3), (12, 40, 2), (40, DEPTH, 2))
"""Negatives of each stretch of ranks in the mixture of both teachers: first, last, how many. Negatives of the
top alone teach that shared words mean "not relevant"."""


class BiEncoder:
    """The trunk as it was published: mean of the token states, cosine."""

    def __init__(self) -> None:
        source = str(trunk_directory())
        self._tokenizer = AutoTokenizer.from_pretrained(source)
        self._model = AutoModel.from_pretrained(source, dtype=torch.bfloat16).eval()

    def embed(self, texts: Sequence[str], max_length: int = 192) -> npt.NDArray[np.float32]:
        """Unit vectors, (texts, 384); texts of like length share a batch."""
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
        start = 0
        while start < len(order):
            longest = len(texts[order[min(start + 31, len(order) - 1)]])
            batch = order[start : start + max(8, min(128, 14_000 // (longest + 10)))]
            vectors[batch] = self._batch([texts[number] for number in batch], max_length)
            start += len(batch)
        return vectors

    @torch.inference_mode()
    def _batch(self, texts: Sequence[str], max_length: int) -> npt.NDArray[np.float32]:
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=max_length, return_tensors="pt"
        )
        states = self._model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"][:, :, None].float()
        means = (states * mask).sum(1) / mask.sum(1)
        vectors: npt.NDArray[np.float32] = torch.nn.functional.normalize(means, dim=-1).numpy()
        return vectors


@dataclass(frozen=True, slots=True)
class _Scale:
    """Standardises a teacher's scores by those of the candidates of one query."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, scores: Float64Array) -> _Scale:
        return cls(float(scores.mean()), float(scores.std()) + 1e-6)

    def __call__(self, score: float) -> float:
        return (score - self.mean) / self.deviation


def groups(material: Material) -> Iterator[TrainingGroup]:
    """A group for each query: its answers, seven candidates of BM25 over all ranks, one passage at random."""
    encoder = BiEncoder()
    answers = dict.fromkeys(text for asked in material.queries for text in asked.passages)
    passages = list(dict.fromkeys([*material.passages, *answers]))
    number_of = {text: number for number, text in enumerate(passages)}
    vectors = encoder.embed(passages)
    queries = [asked.query for asked in material.queries]
    query_vectors = encoder.embed(queries, max_length=128)
    found, scores = _bm25(passages, queries)
    chance = random.Random(SEED)
    for row, asked in enumerate(material.queries):
        own = {number_of[text] for text in (*asked.passages, asked.origin) if text in number_of}
        bm25 = {
            int(number): float(score)
            for number, score in zip(found[row], scores[row], strict=True)
            if score > 0
        }
        candidates = [number for number in bm25 if number < len(material.passages) and number not in own][
            :DEPTH
        ]
        if len(candidates) >= _FEWEST:
            drawing = _Drawing(candidates, bm25, vectors, query_vectors[row], passages, chance)
            yield drawing.group(f"q{row}", asked, [number_of[text] for text in asked.passages])


class _Drawing:
    """Chooses the documents of one group."""

    def __init__(
        self,
        candidates: Sequence[int],
        bm25: dict[int, float],
        vectors: npt.NDArray[np.float32],
        query: npt.NDArray[np.float32],
        passages: Sequence[str],
        chance: random.Random,
    ) -> None:
        self._candidates, self._bm25, self._passages, self._chance = candidates, bm25, passages, chance
        self._vectors, self._query = vectors, query
        self._lexical = _Scale.of(np.array([bm25[number] for number in candidates]))
        self._dense = _Scale.of((vectors[list(candidates)] @ query).astype(np.float64))

    def group(self, query_id: str, asked: Asked, answers: Sequence[int]) -> TrainingGroup:
        """At most two of the answers, negatives over all ranks, and one passage at random."""
        mixed = sorted(self._candidates, key=lambda number: -sum(self._teachers(number, 0).values()))
        drawn = [
            number
            for first, last, count in _DRAWN
            for number in self._chance.sample(mixed[first:last], min(count, len(mixed[first:last])))
        ]
        chosen = self._chance.sample(answers, min(2, len(answers)))
        anywhere = self._chance.randrange(len(self._passages))
        documents = (
            *(self._document(number, 1.0, 0.5) for number in chosen),
            *(self._document(number, 0.0, 0.5) for number in drawn),
            self._document(anywhere, 0.0, 0.3),
        )
        return TrainingGroup(query_id=query_id, query=asked.query, documents=documents, source=asked.source)

    def _document(self, number: int, label: float, missing: float) -> GroupDocument:
        teachers = self._teachers(number, missing)
        return GroupDocument(id=str(number), text=self._passages[number], label=label, teachers=teachers)

    def _teachers(self, number: int, missing: float) -> dict[str, float]:
        # What BM25 did not return scores below what it did.
        found = self._bm25.get(number, missing * self._bm25[self._candidates[-1]])
        return {
            "bm25": self._lexical(found),
            "trunk": self._dense(float(self._vectors[number] @ self._query)),
        }


def _bm25(
    passages: Sequence[str], queries: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    stemmer = Stemmer.Stemmer("english")

    def tokens(texts: Sequence[str]) -> object:
        return bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False)

    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(tokens(passages), show_progress=False)
    found, scores = index.retrieve(tokens(queries), k=DEPTH + 30, show_progress=False)
    return found, scores
