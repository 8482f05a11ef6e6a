"""Events that tell the learning reranker what was shown, clicked and rated."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rerankd.client._errors import InvalidRequestError
from rerankd.client._requests import DocumentLike, document_message
from rerankd.v1 import rerank_service_pb2

if TYPE_CHECKING:
    from rerankd.training.v1alpha.training_service_pb2 import FeedbackEvent, RecordFeedbackRequest


def shown(
    corpus_id: str,
    request_id: str,
    query: str,
    documents: Sequence[DocumentLike],
    response: rerank_service_pb2.RerankResponse,
) -> FeedbackEvent:
    """Tells that the results of a call were shown, in their order.

    Args:
        corpus_id: The corpus that the documents are from.
        request_id: Names the list of results, in this event and in those of its clicks.
        query: What was asked.
        documents: What was ranked; each needs an `id`.
        response: The ranking, whose results are those that were shown.

    Raises:
        InvalidRequestError: A document that was shown has no id, so that nobody could click it.
    """
    from rerankd.training.v1alpha import training_service_pb2 as pb

    event = pb.FeedbackEvent(
        event_id=f"shown:{request_id}",
        request_id=request_id,
        corpus_id=corpus_id,
        shown=pb.Shown(query=query),
    )
    for result in response.results:
        document = document_message(documents[result.index], result.index)
        if not document.id:
            path = f"documents[{result.index}].id"
            raise InvalidRequestError(f"{path} is empty; feedback needs the ids of documents")
        event.shown.documents.add(id=document.id, text=document.text, rank=result.rank, score=result.score)
    return event


def clicked(corpus_id: str, request_id: str, document_id: str, *, rank: int = 0) -> FeedbackEvent:
    """Tells that a result was clicked; `rank` is where it was shown, 0 = as `shown` of the request says."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    return pb.FeedbackEvent(
        event_id=uuid.uuid4().hex,
        request_id=request_id,
        corpus_id=corpus_id,
        click=pb.Click(document_id=document_id, rank=rank),
    )


def rated(corpus_id: str, request_id: str, document_id: str, rating: float) -> FeedbackEvent:
    """Tells how good a result is: 0 is bad, 1 is best."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    return pb.FeedbackEvent(
        event_id=uuid.uuid4().hex,
        request_id=request_id,
        corpus_id=corpus_id,
        rating=pb.Rating(document_id=document_id, rating=rating),
    )


def feedback_request(events: Iterable[FeedbackEvent]) -> RecordFeedbackRequest:
    """The events as a request, each with an id, so that a second try keeps none twice."""
    from rerankd.training.v1alpha import training_service_pb2 as pb

    request = pb.RecordFeedbackRequest(events=events)
    for event in request.events:
        event.event_id = event.event_id or uuid.uuid4().hex
    return request
