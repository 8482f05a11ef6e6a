"""BM25 over a corpus: the first stage that everything is compared with."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rerankd.training.corpora.corpus import Corpus
from rerankd.training.corpora.table import DocumentTable
from rerankd.training.durable import sync_directory

logger = logging.getLogger(__name__)

_PREFIX = "bm25-"
_K1 = 0.9
_B = 0.4
_STOP_WORDS = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """A ranking: documents that share a word with the query, best first; ties in the order of the corpus."""

    ids: tuple[str, ...]
    scores: npt.NDArray[np.float64]


class Bm25Index:
    """BM25 of bm25s: Lucene's variant, k1 0.9, b 0.4, English stop words, Snowball stemmer, title + text.

    Kept beside the corpus under the digest of its documents, so that a changed corpus has a new index.
    """

    def __init__(self, retriever: Any, table: DocumentTable) -> None:
        """For `of`; `retriever` is a bm25s.BM25, or None where no document has a word."""
        self._retriever = retriever
        self._table = table
        self._latest: tuple[str, npt.NDArray[np.float64]] | None = None

    @classmethod
    def of(cls, corpus: Corpus) -> Bm25Index:
        """The index that lies beside the corpus; it is built first where there is none of its digest.

        In a folder that cannot be written it is built each time.
        """
        directory = corpus.directory / (_PREFIX + corpus.digest.removeprefix("sha256:"))
        retriever = _kept(directory)
        if retriever is None:
            retriever = _built(corpus)
            if retriever is not None:
                with contextlib.suppress(PermissionError):
                    _keep(retriever, directory)
        return cls(retriever, corpus.table)

    @classmethod
    def built(cls, corpus: Corpus) -> Bm25Index:
        """An index that is kept nowhere: for a folder that is somebody else's."""
        return cls(_built(corpus), corpus.table)

    def search(self, query: str, k: int) -> Hits:
        """The first `k` documents; fewer where fewer have a word of the query."""
        scores = self._all(query)
        found = np.flatnonzero(scores > 0)
        if len(found) > k:
            bar = np.partition(scores[found], -k)[-k]
            found = found[scores[found] >= bar]
        best = found[np.argsort(-scores[found], kind="stable")][:k]
        return Hits(ids=tuple(self._table.ids[place] for place in best), scores=scores[best])

    def scores(self, query: str, document_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """The scores of these documents; 0 for one that is not in the corpus."""
        scores = self._all(query)
        places = [self._table.place_of(document_id) for document_id in document_ids]
        return np.array([0.0 if place is None else scores[place] for place in places], dtype=np.float64)

    def _all(self, query: str) -> npt.NDArray[np.float64]:
        # A ranking and the scores of other documents are often wanted of one query.
        latest = self._latest
        if latest is None or latest[0] != query:
            self._latest = latest = (query, self._computed(query))
        return latest[1]

    def _computed(self, query: str) -> npt.NDArray[np.float64]:
        words = _words(query) if self._retriever is not None else []
        known = [word for word in words if word in self._retriever.vocab_dict]
        if not known:
            return np.zeros(len(self._table.ids))
        return np.asarray(self._retriever.get_scores(known), dtype=np.float64)


def _kept(directory: Path) -> Any:
    import bm25s

    if not directory.is_dir():
        return None
    try:
        return bm25s.BM25.load(directory, load_vocab=True)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        # Lost power may have left empty files, another version other ones: neither is worth a failure.
        logger.warning("The BM25 index in %s cannot be read and is built anew: %s", directory.name, error)
        shutil.rmtree(directory, ignore_errors=True)
        return None


def _built(corpus: Corpus) -> Any:
    import bm25s

    tokenized = bm25s.tokenize(
        [document.content for document in corpus.documents()],
        stopwords=_STOP_WORDS,
        stemmer=_stemmer(),
        show_progress=False,
    )
    if not any(tokenized.ids):
        return None
    retriever = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    retriever.index(tokenized, show_progress=False)
    return retriever


def _keep(retriever: Any, directory: Path) -> None:
    staged = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=directory.parent))
    try:
        retriever.save(staged, show_progress=False)
        sync_directory(staged)
        # Another process may have been faster, with the same index.
        with contextlib.suppress(OSError):
            staged.rename(directory)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    for other in directory.parent.glob(f"{_PREFIX}*"):
        if other != directory:
            shutil.rmtree(other, ignore_errors=True)


def _words(query: str) -> list[str]:
    import bm25s

    words: list[list[str]] = bm25s.tokenize(
        query, stopwords=_STOP_WORDS, stemmer=_stemmer(), return_ids=False, show_progress=False
    )
    return words[0]


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
