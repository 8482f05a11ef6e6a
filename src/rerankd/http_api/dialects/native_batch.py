"""Several of the service's own requests in one body, `POST /api/v1/rerank/batch`."""

from __future__ import annotations

from collections.abc import Sequence

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.types import Document, Options, Ranking
from rerankd.http_api.dialects.native import documents_from, options_of, ranking_object
from rerankd.http_api.fields import Fields
from rerankd.http_api.json_text import Json, JsonObject

_KEYS = {"requests", "sharedDocuments", "shared_documents", "options"}
_REQUEST_KEYS = {"query", "documents", "options"}


def parse_batch(body: JsonObject, limits: Limits) -> list[Request | RerankdError]:
    """What the protobuf JSON of a RerankBatchRequest asks for; one that cannot be read is its own error.

    Raises:
        InvalidRequestError: The batch as a whole cannot be read.
    """
    _refuse_unknown(body, _KEYS, "")
    requests = body.get("requests")
    if not isinstance(requests, list):
        raise InvalidRequestError("requests must be a list", field="requests")
    limits.check_batch_size(len(requests))
    shared_name = "sharedDocuments" if "sharedDocuments" in body else "shared_documents"
    try:
        shared: list[Document] | RerankdError = _documents(Fields(body), shared_name, limits)
    except InvalidRequestError as error:
        shared = error
    common = options_of(body.get("options"), limits)
    return [_item(request, shared, common, limits) for request in requests]


def _item(
    request: object, shared: list[Document] | RerankdError, common: Options, limits: Limits
) -> Request | RerankdError:
    """One request with what the batch lends it."""
    try:
        if not isinstance(request, dict):
            raise InvalidRequestError("each of requests must be an object", field="requests")
        _refuse_unknown(request, _REQUEST_KEYS, "requests.")
        fields = Fields(request)
        documents = _documents(fields, "documents", limits) or shared
        if isinstance(documents, RerankdError):
            return documents
        options = options_of(request["options"], limits) if "options" in fields else common
        return Request(query=fields.text("query", ""), documents=documents, options=options)
    except InvalidRequestError as error:
        return error


def _documents(fields: Fields, name: str, limits: Limits) -> list[Document]:
    return documents_from(fields.documents(name, limits)) if fields.value(name) else []


def _refuse_unknown(body: JsonObject, known: set[str], path: str) -> None:
    for name in body:
        if name not in known:
            field = f"{path}{name[:64]}"
            raise InvalidRequestError(f"{field} is no field of this request", field=field)


def render_batch(outcomes: Sequence[Ranking | RerankdError]) -> Json:
    """The protobuf JSON of a RerankBatchResponse."""
    return {"results": [_result(outcome) for outcome in outcomes]}


def _result(outcome: Ranking | RerankdError) -> Json:
    if isinstance(outcome, Ranking):
        return {"response": ranking_object(outcome)}
    return {"error": {"reason": outcome.spec.reason, "message": outcome.message}}
