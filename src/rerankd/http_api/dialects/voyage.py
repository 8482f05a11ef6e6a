"""Voyage, `POST /voyage/v1/rerank`."""

from __future__ import annotations

from rerankd.core.engine import Request
from rerankd.core.errors import RerankdError
from rerankd.core.limits import Limits
from rerankd.core.types import LongDocument, Options, Result
from rerankd.http_api.dialects.dialect import Answered, Asked, Dialect
from rerankd.http_api.fields import Fields
from rerankd.http_api.json_text import Json, JsonObject, shortest

_KNOWN = {"model", "query", "documents", "top_k", "return_documents", "truncation"}


def parse(body: JsonObject, limits: Limits) -> Asked:
    """What a body of Voyage's asks for."""
    fields = Fields(body)
    truncation = fields.flag("truncation", default=True)
    options = Options(
        model=fields.text("model", ""),
        top_n=fields.count("top_k"),
        return_documents=fields.flag("return_documents", default=False),
        long_document=LongDocument.TRUNCATE_END if truncation else LongDocument.REJECT,
    )
    request = Request(
        query=fields.text("query"), documents=fields.texts("documents", limits), options=options
    )
    return Asked(request=request, warnings=fields.without_effect(_KNOWN))


def render(answered: Answered) -> Json:
    """A ranking as Voyage answers it."""
    ranking = answered.ranking
    told: dict[str, Json] = {
        "object": "list",
        "data": [_result(result) for result in ranking.results],
        "model": ranking.model.id,
        "usage": {"total_tokens": ranking.usage.tokens},
    }
    if warnings := answered.warnings():
        told["warnings"] = warnings
    return told


def _result(result: Result) -> Json:
    told: dict[str, Json] = {"relevance_score": shortest(result.score), "index": result.index}
    if result.document is not None:
        told["document"] = result.document.text
    return told


def error_body(error: RerankdError, _: str) -> Json:
    """An error as Voyage tells it."""
    return {"detail": error.message}


STATUSES = {
    "NoDocumentsError": 400,
    "INVALID_REQUEST": 422,
    "STREAM_PROTOCOL": 422,
    "MODEL_NOT_FOUND": 400,
    "OVERLOADED": 429,
}

VOYAGE = Dialect(name="voyage", parse=parse, render=render, error_body=error_body, statuses=STATUSES)
