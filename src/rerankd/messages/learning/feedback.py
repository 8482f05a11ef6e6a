"""Events of feedback, what became of them, and the log in numbers."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from rerankd.core.errors import InvalidRequestError
from rerankd.training.feedback import AppendResult, FeedbackStatistics, Purge, PurgeResult
from rerankd.training.types import FeedbackEvent, FeedbackKind, ShownDocument
from rerankd.training.v1alpha import training_service_pb2 as pb

MOST_EVENTS = 1000
"""Of one call."""


def events_from(messages: Sequence[pb.FeedbackEvent]) -> list[FeedbackEvent]:
    """Events of a call; bounds of their texts are the log's to check.

    Raises:
        InvalidRequestError: There are none or too many, or one does not say what happened.
    """
    if not 1 <= len(messages) <= MOST_EVENTS:
        raise InvalidRequestError(
            f"{len(messages)} events; one call takes 1 to {MOST_EVENTS}",
            field="events",
            metadata={"count": str(len(messages)), "limit": str(MOST_EVENTS)},
        )
    return [_event(message, f"events[{number}]") for number, message in enumerate(messages)]


def recorded(result: AppendResult) -> pb.RecordFeedbackResponse:
    """What became of the events of a call."""
    return pb.RecordFeedbackResponse(event_ids=result.accepted, duplicate_event_ids=result.duplicates)


def purge_from(request: pb.PurgeFeedbackRequest) -> Purge:
    """What to forget.

    Raises:
        InvalidRequestError: Nothing is named, which could be a mistake for everything.
    """
    lists = (request.event_ids, request.request_ids, request.document_ids, request.queries)
    if not request.everything and not any(lists):
        raise InvalidRequestError(
            "nothing is named; give event_ids, request_ids, document_ids or queries, or set everything",
            field="event_ids",
        )
    return Purge(
        event_ids=tuple(request.event_ids),
        request_ids=tuple(request.request_ids),
        document_ids=tuple(request.document_ids),
        queries=tuple(request.queries),
        corpus_id=request.corpus_id,
        everything=request.everything,
    )


def purged(result: PurgeResult) -> pb.PurgeFeedbackResponse:
    """What a purge did."""
    return pb.PurgeFeedbackResponse(purged_events=result.events, redacted_events=result.redacted)


def statistics_from(statistics: FeedbackStatistics) -> pb.FeedbackStatistics:
    """The log in numbers."""
    return pb.FeedbackStatistics(
        events=statistics.events,
        requests=statistics.requests,
        queries=statistics.queries,
        clicked_requests=statistics.clicked_requests,
        no_hit_queries=statistics.no_hit_queries,
        bytes=statistics.bytes,
    )


def _event(message: pb.FeedbackEvent, path: str) -> FeedbackEvent:
    what = message.WhichOneof("what")
    if what is None:
        raise InvalidRequestError(f"{path} says neither shown, click nor rating", field=path)
    time = _seconds(message.event_time, path) if message.HasField("event_time") else 0.0
    if what == "shown":
        return FeedbackEvent(
            id=message.event_id,
            time=time,
            kind=FeedbackKind.SHOWN,
            request_id=message.request_id,
            corpus_id=message.corpus_id,
            query=message.shown.query,
            shown=tuple(_document(one, rank) for rank, one in enumerate(message.shown.documents, 1)),
        )
    clicked = what == "click"
    document_id = message.click.document_id if clicked else message.rating.document_id
    return FeedbackEvent(
        id=message.event_id,
        time=time,
        kind=FeedbackKind.CLICKED if clicked else FeedbackKind.RATED,
        request_id=message.request_id,
        corpus_id=message.corpus_id,
        document=ShownDocument(id=document_id, rank=message.click.rank if clicked else 0),
        rating=None if clicked else message.rating.rating,
    )


def _document(message: pb.ShownDocument, place: int) -> ShownDocument:
    return ShownDocument(
        id=message.id,
        text=message.text,
        rank=message.rank or place,
        score=message.score if message.HasField("score") else None,
    )


def _seconds(message: Timestamp, path: str) -> float:
    if not 0 <= message.nanos < 1_000_000_000:
        raise InvalidRequestError(f"{path}.event_time is not a valid Timestamp", field=f"{path}.event_time")
    return message.seconds + message.nanos / 1e9
