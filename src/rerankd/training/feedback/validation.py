"""What an event must look like, with the bounds that keep the log readable."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rerankd.core.errors import InvalidRequestError
from rerankd.training.layout import CORPUS_ID
from rerankd.training.types import FeedbackEvent, FeedbackKind, ShownDocument

MAX_EVENTS = 1000
"""Events of one call."""
MAX_ID_BYTES = 512
"""UTF-8 bytes of an id."""
MAX_QUERY_BYTES = 8 * 1024
"""As for reranking."""
MAX_TEXT_BYTES = 256 * 1024
"""UTF-8 bytes of the text of a document; as for reranking."""
MAX_SHOWN = 1000
"""Documents of a list."""
MAX_LINE_BYTES = 1024 * 1024
"""An event as it is kept: no longer than the smallest file that the settings allow."""
_MAX_RANK = 1_000_000


def check_events(events: Sequence[FeedbackEvent]) -> None:
    """Raises InvalidRequestError, naming the event and its field, unless all events are valid."""
    if len(events) > MAX_EVENTS:
        raise _invalid("events", f"{len(events)} events; the limit of a call is {MAX_EVENTS}")
    for place, event in enumerate(events):
        _check_event(event, f"events[{place}]")


def _check_event(event: FeedbackEvent, at: str) -> None:
    if event.id:
        _check_id(event.id, f"{at}.id")
    _check_id(event.request_id, f"{at}.request_id")
    if not CORPUS_ID.fullmatch(event.corpus_id):
        raise _invalid(f"{at}.corpus_id", f"must match {CORPUS_ID.pattern}")
    if not (math.isfinite(event.time) and event.time >= 0):
        raise _invalid(f"{at}.time", "must be seconds since the epoch, or 0 for now")
    _check_text(event.query, MAX_QUERY_BYTES, f"{at}.query")
    if event.hashed:
        raise _invalid(f"{at}.hashed", "is set by the log; send the text")
    if event.kind is FeedbackKind.SHOWN:
        _check_shown(event, at)
    else:
        _check_choice(event, at)


def _check_shown(event: FeedbackEvent, at: str) -> None:
    if not event.query.strip():
        raise _invalid(f"{at}.query", "is empty; a shown event needs the query")
    if event.document is not None:
        raise _invalid(f"{at}.document", "belongs to clicked and rated; a shown event has `shown`")
    if event.rating is not None:
        raise _invalid(f"{at}.rating", "belongs to rated events")
    if len(event.shown) > MAX_SHOWN:
        raise _invalid(f"{at}.shown", f"has {len(event.shown)} documents; the limit is {MAX_SHOWN}")
    ids: set[str] = set()
    for place, document in enumerate(event.shown):
        field = f"{at}.shown[{place}]"
        _check_document(document, field)
        if document.id in ids:
            raise _invalid(f"{field}.id", "is in the list twice")
        ids.add(document.id)
    ranks = [document.rank for document in event.shown]
    if any(ranks) and any(low >= high for low, high in zip([0, *ranks], ranks, strict=False)):
        raise _invalid(f"{at}.shown", "ranks must rise from document to document, or all be 0")


def _check_choice(event: FeedbackEvent, at: str) -> None:
    if event.document is None:
        raise _invalid(f"{at}.document", f"is needed on {event.kind} events")
    _check_document(event.document, f"{at}.document")
    if event.shown:
        raise _invalid(f"{at}.shown", "belongs to shown events")
    if event.kind is FeedbackKind.RATED:
        if event.rating is None or not 0 <= event.rating <= 1:
            raise _invalid(f"{at}.rating", "must be from 0 (bad) to 1 (best)")
    elif event.rating is not None:
        raise _invalid(f"{at}.rating", "belongs to rated events")


def _check_document(document: ShownDocument, at: str) -> None:
    _check_id(document.id, f"{at}.id")
    _check_text(document.text, MAX_TEXT_BYTES, f"{at}.text")
    if not 0 <= document.rank <= _MAX_RANK:
        raise _invalid(f"{at}.rank", f"must be from 1 to {_MAX_RANK}, or 0 where it is not known")
    if document.score is not None and not math.isfinite(document.score):
        raise _invalid(f"{at}.score", "must be finite")


def _check_id(value: str, field: str) -> None:
    _check_text(value, MAX_ID_BYTES, field)
    if not value or not value.isprintable():
        raise _invalid(field, f"must be 1 to {MAX_ID_BYTES} bytes of printable text")


def _check_text(value: str, limit: int, field: str) -> None:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise _invalid(field, "is not valid Unicode: it has half of a surrogate pair") from None
    if size > limit:
        raise _invalid(field, f"has {size} bytes; the limit is {limit}")


def check_line(line: bytes, place: int) -> None:
    """Raises InvalidRequestError where an event is too long as it is kept."""
    if len(line) > MAX_LINE_BYTES:
        raise _invalid(
            f"events[{place}]", f"takes {len(line)} bytes in the log; the limit is {MAX_LINE_BYTES}"
        )


def _invalid(field: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field}: {what}", field=field)
