"""A folder in BEIR layout, wherever it lies, as a corpus to evaluate on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

from rerankd.training.corpora import Bm25Index, Corpus
from rerankd.training.corpora.records import Split


class BeirFolder:
    """A `JudgedCorpus` over a folder that is somebody else's: nothing is written into it.

    Attributes:
        id: Name of the folder.
    """

    def __init__(self, directory: Path) -> None:
        """Raises CorpusNotFoundError where the folder has no documents."""
        self.id = directory.resolve().name
        self._corpus = Corpus(self.id, directory)

    def text_of(self, document_id: str) -> str:
        """Title and text of a document."""
        return self._texts[document_id]

    def queries(self) -> Mapping[str, str]:
        """Query id -> query."""
        return self._corpus.queries

    def qrels(self, split: str) -> Mapping[str, Mapping[str, float]]:
        """Query id -> document id -> grade; empty where the folder has no such split."""
        return self._corpus.qrels(cast("Split", split))

    def first_stage(self) -> Bm25:
        """BM25 over titles and texts; made at the first call."""
        return self._first_stage

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        return {document.id: document.content for document in self._corpus.documents()}

    @cached_property
    def _first_stage(self) -> Bm25:
        return Bm25(Bm25Index.built(self._corpus))


class Bm25:
    """A corpus's BM25 as a `FirstStage`.

    Attributes:
        name: For reports.
    """

    def __init__(self, index: Bm25Index) -> None:
        self.name = "bm25"
        self._index = index

    def search(self, queries: Sequence[str], depth: int) -> list[list[tuple[str, float]]]:
        """For each query at most `depth` documents with their scores, best first."""
        found = (self._index.search(query, depth) for query in queries)
        return [list(zip(hits.ids, hits.scores.tolist(), strict=True)) for hits in found]
