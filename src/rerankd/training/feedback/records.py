"""An event as a line of the log, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rerankd.training.types import FeedbackEvent, FeedbackKind, ShownDocument


def line_of(event: FeedbackEvent) -> bytes:
    """JSON and a newline; what is empty is left out."""
    record: dict[str, object] = {
        "id": event.id,
        "time": event.time,
        "kind": str(event.kind),
        "request_id": event.request_id,
        "corpus_id": event.corpus_id,
    }
    if event.query:
        record["query"] = event.query
    if event.hashed:
        record["hashed"] = True
    if event.kind is FeedbackKind.SHOWN:
        record["shown"] = [_document_record(document) for document in event.shown]
    if event.document is not None:
        record["document"] = _document_record(event.document)
    if event.rating is not None:
        record["rating"] = event.rating
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def outline_of(line: bytes) -> FeedbackEvent | None:
    """The event of a line without what was shown, of which only the number of documents is told.

    Twice as fast as `event_of`, for counting a large log.
    """
    return event_of(line, _unnamed)


def event_of(
    line: bytes, shown_of: Callable[[dict[str, Any]], ShownDocument] | None = None
) -> FeedbackEvent | None:
    """The event of a line; None where it is no whole event."""
    shown_of = shown_of or _document_of
    try:
        record = json.loads(line)
        document = record.get("document")
        return FeedbackEvent(
            id=_text(record["id"]),
            time=float(record["time"]),
            kind=FeedbackKind(record["kind"]),
            request_id=_text(record["request_id"]),
            corpus_id=_text(record["corpus_id"]),
            query=_text(record.get("query", "")),
            shown=tuple(map(shown_of, record.get("shown", ()))),
            document=None if document is None else _document_of(document),
            rating=_optional_number(record.get("rating")),
            hashed=record.get("hashed") is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _document_record(document: ShownDocument) -> dict[str, object]:
    record: dict[str, object] = {"id": document.id}
    if document.text:
        record["text"] = document.text
    if document.rank:
        record["rank"] = document.rank
    if document.score is not None:
        record["score"] = document.score
    return record


_UNNAMED = ShownDocument(id="")


def _unnamed(record: dict[str, Any]) -> ShownDocument:
    return _UNNAMED if record["id"] else _document_of(record)


def _document_of(record: dict[str, Any]) -> ShownDocument:
    return ShownDocument(
        id=_text(record["id"]),
        text=_text(record.get("text", "")),
        rank=int(record.get("rank", 0)),
        score=_optional_number(record.get("score")),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional_number(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise TypeError
    return float(value)
