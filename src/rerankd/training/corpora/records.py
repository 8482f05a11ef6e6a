"""The records that a corpus is made of, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "dev", "test"]
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDocument:
    """A document; what is scored is `content`."""

    id: str
    title: str = ""
    text: str = ""

    @property
    def content(self) -> str:
        """Title and text, as BM25 and models see them."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusQuery:
    """A query of a corpus."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """How relevant a document is to a query."""

    split: Split
    query_id: str
    document_id: str
    score: float
    """0 = judged not relevant; what is higher is more relevant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusLimits:
    """Bounds on what is imported."""

    max_documents: int = 5_000_000
    max_queries: int = 1_000_000
    max_judgments: int = 10_000_000
    max_document_bytes: int = _MIB
    """UTF-8 bytes of a title and its text."""
    max_query_bytes: int = 8 * 1024
    max_id_bytes: int = 512
    max_bytes: int = 32 * 1024 * _MIB
    """Bytes of a whole corpus on disk."""
