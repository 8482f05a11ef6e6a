"""Cohere's second version, `POST /v2/rerank`."""

from __future__ import annotations

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.types import Options, Priority
from rerankd.http_api.dialects.dialect import Answered, Asked, Dialect
from rerankd.http_api.fields import Fields
from rerankd.http_api.json_text import Json, JsonObject, shortest

_KNOWN = {
    "model",
    "query",
    "documents",
    "top_n",
    "max_tokens_per_doc",
    "relevant_spans",
    "priority",
}


def parse(body: JsonObject, limits: Limits) -> Asked:
    """What a body of `/v2/rerank` asks for."""
    fields = Fields(body)
    refuse_spans(fields)
    options = Options(
        model=fields.text("model", ""),
        top_n=fields.count("top_n"),
        max_tokens_per_document=fields.count("max_tokens_per_doc"),
        # Theirs is a number, 0 the first; here there are two classes.
        priority=Priority.BULK if fields.number("priority") > 0 else None,
    )
    request = Request(
        query=fields.text("query"), documents=fields.texts("documents", limits), options=options
    )
    return Asked(request=request, warnings=fields.without_effect(_KNOWN))


def refuse_spans(fields: Fields) -> None:
    """Raises InvalidRequestError where spans are asked for: to leave them out would change the answer."""
    spans = fields.inner("relevant_spans")
    if spans is None:
        return
    mode = spans.text("mode", "disabled")
    if mode not in ("enabled", "disabled"):
        raise spans.wrong("mode", "enabled or disabled")
    if mode == "enabled":
        raise InvalidRequestError(
            "relevant_spans is not supported by this model; leave it out", field="relevant_spans.mode"
        )


def render(answered: Answered) -> Json:
    """A ranking as `/v2/rerank` answers it."""
    results: list[Json] = [
        {"index": result.index, "relevance_score": shortest(result.score)}
        for result in answered.ranking.results
    ]
    return {"id": answered.request_id, "results": results, "meta": meta(answered, "2")}


def meta(answered: Answered, version: str) -> Json:
    """What Cohere tells of the call itself."""
    usage = answered.ranking.usage
    told: dict[str, Json] = {
        "api_version": {"version": version, "is_experimental": False},
        "billed_units": {"search_units": usage.provider_units},
        "tokens": {"input_tokens": usage.tokens},
    }
    if warnings := answered.warnings():
        told["warnings"] = warnings
    return told


def error_body(error: RerankdError, request_id: str) -> Json:
    """An error as `/v2/rerank` tells it."""
    return {"id": request_id, "message": error.message}


# The SDK sends a call again after 429 and 503, and after every other 5xx as well: what cannot succeed
# is a 4xx.
COHERE = Dialect(
    name="cohere", parse=parse, render=render, error_body=error_body, statuses={"OVERLOADED": 429}
)
