"""Text Embeddings Inference, `POST /rerank` with `texts`."""

from __future__ import annotations

from rerankd.core.engine import Request
from rerankd.core.errors import DocumentTooLongError, InvalidRequestError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.types import LongDocument, Options, Result
from rerankd.http_api.dialects.dialect import Answered, Asked, Dialect
from rerankd.http_api.failures import NoDocumentsError
from rerankd.http_api.fields import Fields
from rerankd.http_api.json_text import Json, JsonObject, shortest

_CUTS = {"right": LongDocument.TRUNCATE_END, "left": LongDocument.TRUNCATE_START}


def parse(body: JsonObject, limits: Limits) -> Asked:
    """What a body with `texts` asks for; what it says of anything else means nothing, as in TEI."""
    fields = Fields(body)
    direction = fields.text("truncation_direction", "Right")
    if direction.lower() not in _CUTS:
        raise fields.wrong("truncation_direction", "Left or Right")
    truncate = fields.flag("truncate", default=True)
    options = Options(
        # Readers of this dialect want every text back; only a body that says so gets fewer.
        top_n=fields.count("top_n"),
        raw_scores=fields.flag("raw_scores", default=False),
        return_documents=fields.flag("return_text", default=False),
        long_document=_CUTS[direction.lower()] if truncate else LongDocument.REJECT,
    )
    request = Request(query=fields.text("query"), documents=fields.texts("texts", limits), options=options)
    return Asked(request=request)


def render(answered: Answered) -> Json:
    """A ranking as TEI answers it: a bare list."""
    return [_result(result) for result in answered.ranking.results]


def _result(result: Result) -> Json:
    told: dict[str, Json] = {"index": result.index}
    if result.document is not None:
        told["text"] = result.document.text
    return {**told, "score": shortest(result.score)}


def headers(answered: Answered) -> dict[str, str]:
    """Where the time went, in whole milliseconds."""
    ranking, request = answered.ranking, answered.asked.request
    timing = ranking.timing
    characters = len(request.query) + sum(len(document.text) for document in request.documents)
    times = {
        "x-compute-time": timing.total_seconds,
        "x-total-time": timing.total_seconds,
        "x-tokenization-time": timing.tokenize_seconds,
        "x-queue-time": timing.queue_seconds,
        "x-inference-time": timing.inference_seconds,
    }
    return {
        "x-compute-type": ranking.model.backend or "none",
        "x-compute-characters": str(characters),
        "x-compute-tokens": str(ranking.usage.tokens),
        **{name: str(round(1000 * seconds)) for name, seconds in times.items()},
    }


def error_body(error: RerankdError, _: str) -> Json:
    """An error as TEI tells it; it has no words for a missing key."""
    if error.spec.reason == "UNAUTHENTICATED":
        return None
    return {"error": error.message, "error_type": error_type(error)}


def error_type(error: RerankdError) -> str:
    """TEI's name for a kind of failure."""
    if isinstance(error, NoDocumentsError):
        return "Empty"
    if isinstance(error, DocumentTooLongError):
        return "Tokenizer"
    if isinstance(error, InvalidRequestError):
        return "Validation"
    return _TYPES.get(error.spec.reason, "Backend")


_TYPES = {
    "MODEL_NOT_FOUND": "Validation",
    "FORBIDDEN": "Validation",
    "MODEL_LOADING": "Unhealthy",
    "DRAINING": "Unhealthy",
    "PROVIDER_UNAVAILABLE": "Unhealthy",
    "OVERLOADED": "Overloaded",
    "QUOTA_EXCEEDED": "Overloaded",
}

STATUSES = {
    "NoDocumentsError": 400,
    "INVALID_REQUEST": 422,
    "STREAM_PROTOCOL": 422,
    "TOO_MANY_DOCUMENTS": 422,
    "DOCUMENT_TOO_LONG": 422,
    "MODEL_NOT_FOUND": 422,
    "OVERLOADED": 429,
    "BACKEND_FAILED": 424,
    "NON_FINITE_SCORE": 424,
    "INTERNAL": 424,
}

TEI = Dialect(
    name="tei", parse=parse, render=render, headers=headers, error_body=error_body, statuses=STATUSES
)
