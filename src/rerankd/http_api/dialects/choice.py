"""`/rerank`, where several dialects meet: which one a body is in."""

from __future__ import annotations

from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.core.limits import Limits
from rerankd.http_api.dialects.dialect import Asked, Dialect
from rerankd.http_api.dialects.jina import JINA
from rerankd.http_api.dialects.kreuzberg import KREUZBERG
from rerankd.http_api.dialects.tei import STATUSES, TEI, error_type
from rerankd.http_api.json_text import Json, JsonObject


def dialect_of(body: JsonObject) -> Dialect:
    """TEI requires `texts`, the others `documents`; kreuzberg's alone has `config`.

    Raises:
        InvalidRequestError: The body has both, or neither.
    """
    texts, documents = body.get("texts") is not None, body.get("documents") is not None
    if texts and documents:
        raise InvalidRequestError("texts and documents exclude each other; send one of them", field="texts")
    if texts:
        return TEI
    if not documents:
        raise InvalidRequestError(
            "documents is missing; send what is to be ranked as documents, or as texts", field="documents"
        )
    return KREUZBERG if body.get("config") is not None else JINA


def _error_body(error: RerankdError, request_id: str) -> Json:
    """An error before it is known who asks: each reader finds what it looks for."""
    if error.spec.reason == "UNAUTHENTICATED":
        return None
    return {
        "error": error.message,
        "error_type": error_type(error),
        "id": request_id,
        "message": error.message,
        "detail": error.message,
    }


def _parse(body: JsonObject, limits: Limits) -> Asked:
    return dialect_of(body).parse(body, limits)


UNDECIDED = Dialect(
    name="undecided",
    parse=_parse,
    render=JINA.render,
    error_body=_error_body,
    statuses=STATUSES,
    choose=dialect_of,
)
