"""`POST /v1/rerank`: what Jina, Cohere's first version, vLLM, Infinity and Xinference have in common."""

from __future__ import annotations

from typing import cast

from rerankd.core.engine import Request
from rerankd.core.errors import RerankdError
from rerankd.core.limits import Limits
from rerankd.core.types import Options, Result
from rerankd.http_api.dialects.cohere import meta, refuse_spans
from rerankd.http_api.dialects.dialect import Answered, Asked, Dialect
from rerankd.http_api.fields import Fields, document_as_sent, text_or_object
from rerankd.http_api.json_text import Json, JsonObject, shortest

_KNOWN = {
    "model",
    "query",
    "documents",
    "top_n",
    "return_documents",
    "rank_fields",
    "max_tokens_per_doc",
    "relevant_spans",
    "use_activation",
    "activation",
    "raw_scores",
}


def parse(body: JsonObject, limits: Limits) -> Asked:
    """What a body of `/v1/rerank` asks for."""
    fields = Fields(body)
    refuse_spans(fields)
    rank_fields = _rank_fields(fields, limits)
    found = fields.documents("documents", limits)
    documents = [
        text_or_object(value, f"documents[{i}]", rank_fields or ("text",)) for i, value in enumerate(found)
    ]
    options = Options(
        model=fields.text("model", ""),
        top_n=fields.count("top_n"),
        # Jina's default. Cohere's is false, but its readers do not mind.
        return_documents=fields.flag("return_documents", default=True),
        max_tokens_per_document=fields.count("max_tokens_per_doc"),
        raw_scores=_raw(fields),
        document_fields=rank_fields or ("text",),
    )
    request = Request(query=_query(fields), documents=documents, options=options)
    return Asked(request=request, warnings=fields.without_effect(_KNOWN))


def _rank_fields(fields: Fields, limits: Limits) -> tuple[str, ...]:
    names = fields.names("rank_fields")
    if not all(names) or len(names) > limits.max_document_fields:
        raise fields.wrong("rank_fields", f"at most {limits.max_document_fields} names, none of them empty")
    return names


def _query(fields: Fields) -> str:
    if isinstance(fields.value("query"), dict):
        query = fields.inner("query")
        assert query is not None  # noqa: S101 - it is an object
        return query.text("text")
    return fields.text("query")


def _raw(fields: Fields) -> bool:
    activated = fields.flag("use_activation", default=True) and fields.flag("activation", default=True)
    return fields.flag("raw_scores", default=False) or not activated


def render(answered: Answered) -> Json:
    """A ranking as all readers of `/v1/rerank` find their part of it."""
    ranking = answered.ranking
    return {
        "id": answered.request_id,
        "object": "list",
        "model": ranking.model.id,
        "results": [_result(result) for result in ranking.results],
        "usage": {"total_tokens": ranking.usage.tokens, "prompt_tokens": ranking.usage.tokens},
        "meta": meta(answered, "1"),
    }


def _result(result: Result) -> Json:
    told: dict[str, Json] = {"index": result.index, "relevance_score": shortest(result.score)}
    if result.document is not None:
        told["document"] = cast("Json", document_as_sent(result.document))
    return told


def error_body(error: RerankdError, request_id: str) -> Json:
    """`message` for readers of Cohere's, `detail` for those of Jina's, who look for nothing else."""
    return {"id": request_id, "message": error.message, "detail": error.message}


STATUSES = {
    "INVALID_REQUEST": 422,
    "STREAM_PROTOCOL": 422,
    "TOO_MANY_DOCUMENTS": 400,
    "DOCUMENT_TOO_LONG": 400,
    "OVERLOADED": 429,
}

JINA = Dialect(name="jina", parse=parse, render=render, error_body=error_body, statuses=STATUSES)
