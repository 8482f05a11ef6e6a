"""Every bound on a request, and the checks that hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rerankd.core.errors import (
    DocumentTooLongError,
    InvalidRequestError,
    TooManyDocumentsError,
)
from rerankd.core.types import Document, LongDocument, Options

_MIB = 1024 * 1024

MIN_WINDOW_TOKENS = 32
"""Shortest window of a long document: a pair a token would multiply the work by the query's length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on requests; Status shows the ones in force."""

    max_documents: int = 1024
    """Documents of one unary request; a stream has no such bound."""
    max_receive_bytes: int = 16 * _MIB
    """Largest message that the server receives."""
    max_chunk_bytes: int = _MIB
    """Largest DocumentChunk of a stream."""
    max_query_bytes: int = 8 * 1024
    """UTF-8 bytes of a query, and of an instruction."""
    max_document_bytes: int = 256 * 1024
    """UTF-8 bytes of the text of a document that is scored."""
    max_batch_requests: int = 64
    """Requests of one RerankBatch."""
    max_document_fields: int = 32
    """Names in `document_fields`."""
    stream_window_documents: int = 2048
    """Most documents of one stream that are read and not yet answered; beyond them reading stops. How many of
    them, the pace of the model says (`core/look_ahead.py`)."""
    max_stream_results: int = 100_000
    """Results that a stream remembers with `top_n` = 0, so that its memory stays bounded."""
    max_snapshot_results: int = 1000
    """Largest `top_n` of a stream that asks for snapshots or for its documents back."""
    max_queued_tokens: int = 2_000_000
    """Tokens that unary requests may have waiting; beyond them a request is refused at once."""
    max_request_seconds: float = 300.0
    """Deadline of a unary request that brings none, in seconds."""
    max_memory_mib: int = 0
    """Resident memory above which unary requests are refused and streams are not read; 0 = no such bound."""

    def check_query(self, query: str) -> None:
        """Raises InvalidRequestError if the query is empty or too long."""
        if not query:
            raise InvalidRequestError("query is empty; send the text to rank by", field="query")
        self._check_size(query, "query")

    def _check_size(self, text: str, field: str) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self.max_query_bytes:
            raise InvalidRequestError(
                f"{field} has {size} bytes; the limit is {self.max_query_bytes}",
                field=field,
                metadata={"bytes": str(size), "limit": str(self.max_query_bytes)},
            )

    def check_document_count(self, count: int) -> None:
        """Raises InvalidRequestError for none, TooManyDocumentsError for more than the limit."""
        if count == 0:
            raise InvalidRequestError("documents is empty; send at least one", field="documents")
        if count > self.max_documents:
            raise TooManyDocumentsError(
                f"{count} documents; a unary request takes at most {self.max_documents}: "
                "use RerankStream for more",
                field="documents",
                metadata={"documents": str(count), "limit": str(self.max_documents)},
            )

    def check_batch_size(self, count: int) -> None:
        """Raises InvalidRequestError for no request, or for more than the limit."""
        if not 1 <= count <= self.max_batch_requests:
            raise InvalidRequestError(
                f"{count} requests in a batch; send 1 to {self.max_batch_requests}",
                field="requests",
                metadata={"requests": str(count), "limit": str(self.max_batch_requests)},
            )

    def check_text(self, text: str, field: str) -> None:
        """Raises DocumentTooLongError if a scored text is above the byte limit."""
        # Four bytes is the most that a code point takes: most texts need no encoding to be judged.
        if len(text) * 4 <= self.max_document_bytes:
            return
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self.max_document_bytes:
            raise DocumentTooLongError(
                f"{field} has {size} bytes; the limit is {self.max_document_bytes}: "
                "split it or send the part that matters",
                field=field,
                metadata={"bytes": str(size), "limit": str(self.max_document_bytes)},
            )

    def check_options(self, options: Options) -> None:
        """Raises InvalidRequestError naming the first option that is out of bounds."""
        for name in ("top_n", "max_tokens_per_document", "max_scored_documents"):
            value: int = getattr(options, name)
            if value < 0:
                raise _out_of_bounds(name, value, "0 (no limit) or more")
        window = options.max_tokens_per_document
        if options.long_document is LongDocument.BEST_PASSAGE and 0 < window < MIN_WINDOW_TOKENS:
            raise _out_of_bounds(
                "max_tokens_per_document", window, f"0 or at least {MIN_WINDOW_TOKENS} with BEST_PASSAGE"
            )
        if options.min_score is not None and not math.isfinite(options.min_score):
            raise _out_of_bounds("min_score", options.min_score, "a finite number")
        if not 0.0 <= options.original_score_weight <= 1.0:
            raise _out_of_bounds("original_score_weight", options.original_score_weight, "0 to 1")
        if len(options.document_fields) > self.max_document_fields:
            raise _out_of_bounds(
                "document_fields", len(options.document_fields), f"at most {self.max_document_fields} names"
            )
        if any(not name for name in options.document_fields):
            raise _out_of_bounds("document_fields", "an empty name", "names that are not empty")
        self._check_size(options.instruction, "options.instruction")

    def check_stream_options(self, options: Options, *, snapshots: bool) -> None:
        """Raises InvalidRequestError for options that would make a stream's memory unbounded."""
        self.check_options(options)
        if options.original_score_weight:
            raise _out_of_bounds(
                "original_score_weight",
                options.original_score_weight,
                "0 in a stream: blending needs the whole set",
            )
        if (snapshots or options.return_documents) and not 1 <= options.top_n <= self.max_snapshot_results:
            raise _out_of_bounds(
                "top_n",
                options.top_n,
                f"1 to {self.max_snapshot_results} in a stream with snapshots or return_documents",
            )


def check_original_scores(
    documents: Sequence[Document], options: Options, indexes: Sequence[int] | None = None
) -> None:
    """Raises InvalidRequestError for a non-finite original score, or none where blending needs one.

    Args:
        documents: Documents of one request.
        options: The request's options.
        indexes: The index of each document within the request; None counts from 0.
    """
    for index, document in zip(indexes or range(len(documents)), documents, strict=True):
        if document.original_score is not None and not math.isfinite(document.original_score):
            raise InvalidRequestError(
                f"documents[{index}].original_score is not finite",
                field=f"documents[{index}].original_score",
                metadata={"index": str(index)},
            )
    if options.original_score_weight and all(d.original_score is None for d in documents):
        raise InvalidRequestError(
            "original_score_weight is set but no document brings an original_score",
            field="options.original_score_weight",
        )


def _out_of_bounds(name: str, value: object, bounds: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"options.{name} is {value}; it must be {bounds}",
        field=f"options.{name}",
        metadata={"value": str(value), "bounds": bounds},
    )
