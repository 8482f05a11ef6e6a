"""The records that a corpus is made of, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rerankd.core.errors import InvalidRequestError
from rerankd.training.layout import CORPUS_ID

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_OTHER_NAMES: dict[str, Split] = {"validation": "dev", "valid": "dev", "val": "dev", "training": "train"}
_MIB = 1024 * 1024
_MAX_SCORE = 100


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
    score: int
    """0 = judged not relevant; what is higher is more relevant, up to 100."""


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

    def check_document(self, document: CorpusDocument, at: str) -> None:
        """Raises InvalidRequestError, naming the record."""
        self._check_id(document.id, f"{at}._id")
        size = _bytes_of(document.title, f"{at}.title") + _bytes_of(document.text, f"{at}.text")
        if size > self.max_document_bytes:
            raise invalid(f"{at}.text", f"has {size} bytes; the limit is {self.max_document_bytes}")

    def check_query(self, query: CorpusQuery, at: str) -> None:
        """Raises InvalidRequestError, naming the record."""
        self._check_id(query.id, f"{at}._id")
        size = _bytes_of(query.text, f"{at}.text")
        if not query.text.strip():
            raise invalid(f"{at}.text", "is empty")
        if size > self.max_query_bytes:
            raise invalid(f"{at}.text", f"has {size} bytes; the limit is {self.max_query_bytes}")

    def check_count(self, count: int, limit: int, what: str) -> None:
        """Raises InvalidRequestError where there are more than the limit."""
        if count > limit:
            raise invalid(what, f"has more than {limit} records, which is the limit")

    def _check_id(self, value: str, at: str) -> None:
        # Ids stand in tab-separated files, so that a tab or a line break would be another record.
        if not value or not value.isprintable() or _bytes_of(value, at) > self.max_id_bytes:
            raise invalid(at, f"must be 1 to {self.max_id_bytes} bytes of printable text")


def check_corpus_id(corpus_id: str) -> None:
    """Raises InvalidRequestError unless this can be the name of a corpus."""
    if not CORPUS_ID.fullmatch(corpus_id):
        raise invalid("corpus_id", f"must match {CORPUS_ID.pattern}")


def split_named(name: str, at: str) -> Split:
    """The split of a name; raises InvalidRequestError for one that no split has."""
    for split in SPLITS:
        if name == split:
            return split
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    raise invalid(at, f"{name!r} is no split; they are train, dev and test")


def score_of(value: object, at: str) -> int:
    """A judgment's score. What is below 0 (spam, in some collections) is not relevant either.

    Raises:
        InvalidRequestError: It is no whole number up to 100; metrics are defined on grades alone.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
        whole = int(number)
    except (ValueError, TypeError, OverflowError):
        raise invalid(at, "is no number") from None
    if whole != number or whole > _MAX_SCORE:
        raise invalid(at, f"must be a whole number up to {_MAX_SCORE}: 0 = not relevant, 1 = relevant, ...")
    return max(0, whole)


def invalid(at: str, what: str) -> InvalidRequestError:
    """A refusal that names the record."""
    return InvalidRequestError(f"{at}: {what}", field=at)


def _bytes_of(value: str, at: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise invalid(at, "is not valid Unicode: it has half of a surrogate pair") from None
