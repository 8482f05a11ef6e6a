"""Feedback events for tests, in few words."""

from __future__ import annotations

from collections.abc import Sequence

from rerankd.training.types import FeedbackEvent, FeedbackKind, ShownDocument

CORPUS = "manuals"


def shown(
    request: str,
    query: str,
    documents: Sequence[str],
    *,
    event_id: str = "",
    corpus: str = CORPUS,
    time: float = 1.0,
) -> FeedbackEvent:
    """A list, whose documents' texts tell their ids."""
    return FeedbackEvent(
        id=event_id or f"shown-{request}",
        time=time,
        kind=FeedbackKind.SHOWN,
        request_id=request,
        corpus_id=corpus,
        query=query,
        shown=tuple(ShownDocument(id=document, text=f"text of {document}") for document in documents),
    )


def clicked(request: str, document: str, *, event_id: str = "", corpus: str = CORPUS) -> FeedbackEvent:
    return FeedbackEvent(
        id=event_id or f"clicked-{request}-{document}",
        time=2.0,
        kind=FeedbackKind.CLICKED,
        request_id=request,
        corpus_id=corpus,
        document=ShownDocument(id=document),
    )


def rated(
    request: str, document: str, rating: float, *, event_id: str = "", corpus: str = CORPUS
) -> FeedbackEvent:
    return FeedbackEvent(
        id=event_id or f"rated-{request}-{document}-{rating}",
        time=3.0,
        kind=FeedbackKind.RATED,
        request_id=request,
        corpus_id=corpus,
        document=ShownDocument(id=document),
        rating=rating,
    )
