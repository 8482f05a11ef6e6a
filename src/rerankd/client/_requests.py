"""From Python values to the messages of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypedDict, Unpack

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from rerankd.client._errors import FieldViolation, InvalidRequestError
from rerankd.v1 import rerank_service_pb2 as pb

DocumentLike = str | pb.Document | Mapping[str, object]
"""A text; a `Document`; or a mapping with `text` or `fields`, and optionally `id`, `original_score`."""

LongDocument = Literal["truncate_end", "truncate_start", "best_passage", "reject"]
FailureMode = Literal["fail", "original_order"]
DeadlineMode = Literal["fail", "partial"]
Priority = Literal["interactive", "bulk"]
Emit = Literal["summary_only", "scores", "snapshots"]


class RerankKeywords(TypedDict, total=False):
    """Keywords that every reranking method takes: the fields of `RerankOptions`.

    One left out has the server's default. The comments of `RerankOptions` tell bounds and details.
    """

    model: str
    """Id, preset or alias of the model; empty means the server's default."""
    top_n: int
    """How many results come back; 0 means all."""
    return_documents: bool
    """Whether each result carries its document."""
    raw_scores: bool
    """Whether scores are logits instead of numbers from 0 to 1."""
    max_tokens_per_document: int
    """Most tokens of one document that are scored; 0 means as many as the model reads."""
    min_score: float | None
    """Results below it are left out; None keeps everything."""
    document_fields: Sequence[str]
    """Fields of structured documents that are scored, in this order."""
    long_document: LongDocument
    """What happens to documents that are longer than the model reads."""
    max_scored_documents: int
    """Only the first documents, this many, are scored; 0 means as many as the server is configured to."""
    original_score_weight: float | None
    """Weight, from 0 to 1, of the documents' original scores in the final score."""
    on_failure: FailureMode
    """What comes back when scoring fails: the error, or, where no other model of the server can stand in,
    the documents in their original order. Left out, it is what the server is configured to do."""
    on_deadline: DeadlineMode
    """What comes back when the deadline comes first: the error, or the best so far."""
    priority: Priority
    """Whose documents are scored first when the server is busy."""
    instruction: str
    """What relevance means for this query, for models that take it."""


_ENUMS = {
    "long_document": (pb.LongDocument, "LONG_DOCUMENT_"),
    "on_failure": (pb.FailureMode, "FAILURE_MODE_"),
    "on_deadline": (pb.DeadlineMode, "DEADLINE_MODE_"),
    "priority": (pb.Priority, "PRIORITY_"),
}
_OPTION_NAMES = frozenset(pb.RerankOptions.DESCRIPTOR.fields_by_name)
_DOCUMENT_KEYS = frozenset(pb.Document.DESCRIPTOR.fields_by_name)


def rerank_request(
    query: str, documents: Iterable[DocumentLike] = (), **options: Unpack[RerankKeywords]
) -> pb.RerankRequest:
    """One request of a batch; without documents it takes the batch's shared ones.

    Raises:
        InvalidRequestError: A value that the message cannot hold; the error names its field.
    """
    request = pb.RerankRequest(documents=document_messages(documents))
    _assign(request, "query", query, "query")
    # Options that are set but empty would replace those that a batch gives to all its requests.
    if options:
        request.options.CopyFrom(options_message(**options))
    return request


def batch_request(
    requests: Iterable[pb.RerankRequest],
    shared_documents: Iterable[DocumentLike],
    **options: Unpack[RerankKeywords],
) -> pb.RerankBatchRequest:
    """A batch of requests that `rerank_request` made."""
    batch = pb.RerankBatchRequest(requests=requests, shared_documents=document_messages(shared_documents))
    if options:
        batch.options.CopyFrom(options_message(**options))
    return batch


def stream_start(
    query: str, emit: Emit, snapshot_interval_seconds: float | None, **options: Unpack[RerankKeywords]
) -> pb.RerankStreamStart:
    """What a stream should do."""
    start = pb.RerankStreamStart(options=options_message(**options))
    _assign(start, "query", query, "query")
    start.emit = pb.StreamEmit.Value(_enum_name("emit", "STREAM_EMIT_", emit, pb.StreamEmit.keys()))
    if snapshot_interval_seconds is not None:
        interval = Duration()
        interval.FromMicroseconds(round(snapshot_interval_seconds * 1_000_000))
        start.snapshot_interval.CopyFrom(interval)
    return start


def options_message(**options: Unpack[RerankKeywords]) -> pb.RerankOptions:
    """The options of a request.

    Raises:
        TypeError: A keyword that no option has.
        InvalidRequestError: A value that the message cannot hold.
    """
    message = pb.RerankOptions()
    for name, value in options.items():
        if name not in _OPTION_NAMES:
            raise TypeError(f"unexpected keyword argument {name!r}")
        field = f"options.{name}"
        if value is None:
            continue
        if name in _ENUMS:
            enum, prefix = _ENUMS[name]
            setattr(message, name, enum.Value(_enum_name(field, prefix, value, enum.keys())))
        elif name == "document_fields":
            # A lone string is a sequence too, of one-letter names that no document has.
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise _invalid(field, "takes a list of names")
            message.document_fields.extend(value)
        else:
            _assign(message, name, value, field)
    return message


def document_messages(documents: Iterable[DocumentLike]) -> list[pb.Document]:
    """The documents of a request, in order."""
    check_documents(documents)
    return [document_message(document, index) for index, document in enumerate(documents)]


def check_documents(documents: object) -> None:
    """Refuses a lone text or mapping, which would pass as a list of letters or of keys."""
    if isinstance(documents, str | bytes | Mapping):
        raise _invalid("documents", f"is a {type(documents).__name__}; send a list of documents")


def document_message(document: DocumentLike, index: int) -> pb.Document:
    """One document; `index` is its position in the request, for the error's text.

    Raises:
        InvalidRequestError: It is none of the three shapes, or holds what the message cannot.
    """
    if isinstance(document, pb.Document):
        return document
    place = f"documents[{index}]"
    message = pb.Document()
    if isinstance(document, str):
        _assign(message, "text", document, f"{place}.text")
        return message
    if not isinstance(document, Mapping):
        raise _invalid(place, f"is a {type(document).__name__}; send a text, a mapping or a Document")
    if unknown := sorted(str(key) for key in document.keys() - _DOCUMENT_KEYS):
        raise _invalid(
            place, f"has the unknown key {unknown[0]!r}; known are id, text, fields, original_score"
        )
    if document.get("text") is not None and document.get("fields") is not None:
        raise _invalid(place, "has both text and fields; send one")
    for key, value in document.items():
        if value is None:
            continue
        if key == "fields":
            _assign_fields(message, value, f"{place}.fields")
        else:
            _assign(message, key, value, f"{place}.{key}")
    return message


def _assign_fields(message: pb.Document, value: object, field: str) -> None:
    if not isinstance(value, Mapping):
        raise _invalid(field, f"is a {type(value).__name__}; it takes an object")
    # An empty struct is still content: without this mark the document would count as having none.
    message.fields.SetInParent()
    try:
        message.fields.update(value)
    except (TypeError, ValueError) as error:
        raise _invalid(field, f"holds a value that JSON does not know: {error}") from error


def _assign(message: Message, name: str, value: object, field: str) -> None:
    try:
        setattr(message, name, value)
    except (TypeError, ValueError) as error:
        raise _invalid(field, f"cannot be sent: {error}") from error


def _enum_name(field: str, prefix: str, value: object, names: Iterable[str]) -> str:
    known = {name: name.removeprefix(prefix).lower() for name in names}
    known.pop(f"{prefix}UNSPECIFIED")
    name = f"{prefix}{str(value).upper()}"
    if name not in known:
        raise _invalid(field, f"is {value!r}; it takes one of {', '.join(known.values())}")
    return name


def _invalid(field: str, description: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{field} {description}",
        metadata={"field": field},
        field_violations=[FieldViolation(field=field, description=description)],
    )
