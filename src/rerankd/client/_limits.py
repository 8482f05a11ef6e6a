"""What one message may hold, and packing documents so that it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from rerankd.client._errors import (
    FieldViolation,
    InvalidRequestError,
    MessageTooLargeError,
    TooManyDocumentsError,
)
from rerankd.v1 import rerank_service_pb2 as pb

_MIB = 1024 * 1024

# The largest int32 as a varint, and the tag and length that the packed indexes of a chunk share.
_INDEX_BYTES = 5
_INDEXES_BYTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """The server's bounds that decide how a client packs documents; defaults until Status has told."""

    max_documents: int = 1024
    """Documents of one unary request."""
    max_receive_bytes: int = 16 * _MIB
    """Largest message that the server reads."""
    max_chunk_bytes: int = _MIB
    """Largest chunk of a stream."""
    stream_window_documents: int = 512
    """Documents of one stream that the server reads ahead of its scores."""
    max_snapshot_results: int = 1000
    """Largest `top_n` of a stream with snapshots."""

    @classmethod
    def from_status(cls, limits: pb.Limits) -> ServerLimits:
        """The live values; a bound that an older server does not tell keeps its default."""
        known = {name: getattr(limits, name) for name in (field.name for field in fields(cls))}
        return cls(**{name: value for name, value in known.items() if value > 0})

    def admits(self, request: pb.RerankRequest | pb.RerankBatchRequest) -> bool:
        """Whether the server would read the request and count its documents as few enough."""
        if isinstance(request, pb.RerankRequest) and len(request.documents) > self.max_documents:
            return False
        return request.ByteSize() <= self.max_receive_bytes

    def check(self, request: pb.RerankRequest | pb.RerankBatchRequest) -> None:
        """Raises what the server would answer; gRPC's own answer to a large message names no reason."""
        if self.admits(request):
            return
        if isinstance(request, pb.RerankRequest) and len(request.documents) > self.max_documents:
            description = f"has {len(request.documents)} documents; the limit is {self.max_documents}"
            raise TooManyDocumentsError(
                f"documents {description}: use rerank_stream or rerank_all",
                metadata={
                    "field": "documents",
                    "documents": str(len(request.documents)),
                    "limit": str(self.max_documents),
                },
                field_violations=[FieldViolation(field="documents", description=description)],
            )
        raise MessageTooLargeError(
            f"the request has {request.ByteSize()} bytes; the limit is {self.max_receive_bytes}: "
            "use rerank_stream or rerank_all",
            metadata={"value": str(request.ByteSize()), "limit": str(self.max_receive_bytes)},
        )


class UnaryBudget:
    """Says, document by document, whether a set still fits one unary request."""

    # Query, instruction and names of fields: far above what a server takes of them by default.
    _RESERVED_BYTES = 64 * 1024

    def __init__(self, limits: ServerLimits) -> None:
        self._documents = limits.max_documents
        self._bytes = limits.max_receive_bytes - self._RESERVED_BYTES

    def take(self, document: pb.Document) -> bool:
        """Counts a document; False once the set is too large."""
        self._documents -= 1
        self._bytes -= document_cost(document)
        return self._documents >= 0 and self._bytes >= 0


class Chunker:
    """Packs documents into messages of a stream, in order, by count and by bytes.

    Args:
        max_documents: Most documents of a message.
        max_bytes: Most bytes of a message.
        indexed: Whether each message tells the indexes of its documents.
    """

    def __init__(self, *, max_documents: int, max_bytes: int, indexed: bool = False) -> None:
        self._max_documents = max_documents
        self._max_bytes = max_bytes
        self._indexed = indexed
        self._chunk = pb.DocumentChunk()
        self._bytes = _INDEXES_BYTES

    def add(self, index: int, document: pb.Document) -> Iterator[pb.RerankStreamRequest]:
        """Takes a document that fits a message, and yields the messages that are full now."""
        cost = document_cost(document)
        if self._bytes + cost > self._max_bytes:
            yield from self.flush()
        self._chunk.documents.append(document)
        if self._indexed:
            self._chunk.index.append(index)
        self._bytes += cost
        if len(self._chunk.documents) == self._max_documents:
            yield from self.flush()

    def flush(self) -> Iterator[pb.RerankStreamRequest]:
        """Yields what is left, if anything is."""
        if self._chunk.documents:
            full, self._chunk, self._bytes = self._chunk, pb.DocumentChunk(), _INDEXES_BYTES
            yield pb.RerankStreamRequest(documents=full)


def check_fits_chunk(index: int, document: pb.Document, max_bytes: int) -> int:
    """What a document costs in a chunk, in bytes; raises InvalidRequestError if no chunk can hold it."""
    cost = document_cost(document)
    if cost + _INDEXES_BYTES <= max_bytes:
        return cost
    field = f"documents[{index}]"
    description = f"has {cost} bytes; a chunk takes at most {max_bytes}"
    raise InvalidRequestError(
        f"{field} {description}",
        metadata={"field": field, "value": str(cost), "limit": str(max_bytes)},
        field_violations=[FieldViolation(field=field, description=description)],
    )


def document_cost(document: pb.Document) -> int:
    """Bytes that a document adds to a chunk: itself, its length as a varint, its tag, and its index."""
    size = document.ByteSize()
    return size + max(1, -(-size.bit_length() // 7)) + 1 + _INDEX_BYTES
