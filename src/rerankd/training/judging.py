"""A stored corpus as evaluation sees it."""

from __future__ import annotations

from functools import cached_property

from rerankd.training.corpora import Bm25Index, Corpus
from rerankd.training.evaluation.folders import BeirFolder, Bm25


class CorpusToJudge(BeirFolder):
    """A `JudgedCorpus` over a corpus of the store, whose index is kept beside it."""

    def __init__(self, corpus: Corpus) -> None:
        self.id = corpus.id
        self._corpus = corpus

    @cached_property
    def _first_stage(self) -> Bm25:
        return Bm25(Bm25Index.of(self._corpus))
