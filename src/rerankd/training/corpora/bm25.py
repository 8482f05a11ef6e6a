"""BM25 over a corpus: the first stage that everything is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rerankd.training.corpora.corpus import Corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """A ranking: documents that share a word with the query, best first; ties in the order of the corpus."""

    ids: tuple[str, ...]
    scores: npt.NDArray[np.float64]


class Bm25Index:
    """bm25s (Lucene's variant, k1 0.9, b 0.4), kept beside the corpus under its digest."""

    @classmethod
    def of(cls, corpus: Corpus) -> Bm25Index:
        """The index that lies beside the corpus; it is built first where there is none of its digest."""
        raise NotImplementedError

    def search(self, query: str, k: int) -> Hits:
        """The first `k` documents."""
        raise NotImplementedError

    def scores(self, query: str, document_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """The scores of these documents; 0 for one that is not in the corpus."""
        raise NotImplementedError
