"""The service's own request, `POST /api/v1/rerank`: protobuf JSON of `rerankd.v1`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from google.protobuf.duration_pb2 import Duration

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.types import Document, Options, Ranking, Result
from rerankd.http_api.bodies import check_depth
from rerankd.http_api.dialects.dialect import Answered, Asked, Dialect
from rerankd.http_api.fields import Fields
from rerankd.http_api.json_text import Json, JsonObject, shortest
from rerankd.messages import convert
from rerankd.messages.json_messages import message_from, object_from
from rerankd.v1 import rerank_service_pb2 as pb

DOMAIN = "rerankd"

_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_KEYS = {"id", "text", "fields", "originalScore", "original_score"}
_FIELDS = {
    name: field for field in pb.RerankOptions.DESCRIPTOR.fields for name in (field.name, field.json_name)
}
_SWITCHES = {name for name, field in _FIELDS.items() if field.type == field.TYPE_BOOL}
_CHOICES = {name for name, field in _FIELDS.items() if field.enum_type is not None}
_MAX_NAME_LENGTH = 64
_MAX_SINGLE = float(np.finfo(np.float32).max)


def parse(body: JsonObject, limits: Limits) -> Asked:
    """What the protobuf JSON of a RerankRequest asks for."""
    rest = {name: value for name, value in body.items() if name not in ("documents", "options")}
    message = message_from(rest, pb.RerankRequest())
    found = Fields(body).documents("documents", limits)
    request = Request(
        query=message.query,
        documents=documents_from(found),
        options=options_of(body.get("options"), limits),
    )
    return Asked(request=request)


def options_of(value: object, limits: Limits) -> Options:
    """Options from the protobuf JSON of theirs; null is all defaults.

    Raises:
        InvalidRequestError: One is unknown, of another type, or far out of bounds.
    """
    if value is None:
        return Options()
    if not isinstance(value, dict):
        raise InvalidRequestError("options must be an object", field="options")
    _check_document_fields(value, limits)
    for name, given in value.items():
        # Protobuf's reader takes true for the number 1, and any number for the name of a choice.
        coerced = isinstance(given, bool) and name not in _SWITCHES
        if coerced or (name in _CHOICES and not _is_choice(given)):
            field = f"options.{name[:_MAX_NAME_LENGTH]}"
            raise InvalidRequestError(f"{field} has a value of a wrong type", field=field)
    return convert.options_from(message_from(value, pb.RerankOptions(), "options"))


def _is_choice(value: object) -> bool:
    if isinstance(value, str):
        return not value.lstrip("-").isdigit()
    return value is None or isinstance(value, int)


def _check_document_fields(options: JsonObject, limits: Limits) -> None:
    """Refuses a long list before protobuf looks at each name of it."""
    names = options.get("documentFields", options.get("document_fields"))
    if isinstance(names, list) and len(names) > limits.max_document_fields:
        raise InvalidRequestError(
            f"options.documentFields has {len(names)} names; send at most {limits.max_document_fields}",
            field="options.documentFields",
        )


def documents_from(values: Sequence[object], indexes: Sequence[int] | None = None) -> list[Document]:
    """Documents from the protobuf JSON of each; `indexes` are theirs within the request.

    Read without protobuf: documents are most of a body, and its JSON reader is slow.

    Raises:
        InvalidRequestError: One is not a Document, or has no content.
    """
    places = range(len(values)) if indexes is None else indexes
    return [_document(value, index) for value, index in zip(values, places, strict=True)]


def _document(value: object, index: int) -> Document:
    field = f"documents[{index}]"
    if not isinstance(value, dict):
        raise _refused(field, "must be an object", index)
    name, text, fields = value.get("id"), value.get("text"), value.get("fields")
    if isinstance(text, str) and isinstance(name, str) and len(value) == 2:
        return Document(id=name, text=text)
    for key in value:
        if key not in _KEYS:
            raise _refused(f"{field}.{key[:_MAX_NAME_LENGTH]}", "is no field of this request", index)
    for key, kind in (("id", str), ("text", str), ("fields", dict)):
        if not isinstance(value.get(key), kind | None):
            raise _refused(f"{field}.{key}", "has a value of a wrong type", index)
    if text is None and fields is None:
        raise _refused(field, "has neither text nor fields; empty text must be set as text", index)
    if text is not None and fields is not None:
        raise _refused(field, "has both text and fields; send one of them", index)
    check_depth(fields, f"{field}.fields")
    score = value.get("originalScore", value.get("original_score"))
    return Document(
        id=name or "", text=text or "", fields=fields, original_score=_original_score(score, field, index)
    )


def _original_score(value: object, document: str, index: int) -> float | None:
    """The score of the stage before, as a message would hold it."""
    field = f"{document}.originalScore"
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(field, "has a value of a wrong type", index)
    if abs(value) > _MAX_SINGLE:
        raise _refused(field, "is beyond the range of a single-precision number", index)
    return float(np.float32(value))


def _refused(field: str, why: str, index: int) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {why}", field=field, metadata={"index": str(index)})


def render(answered: Answered) -> Json:
    """The protobuf JSON of a RerankResponse."""
    return ranking_object(answered.ranking)


def ranking_object(ranking: Ranking) -> Json:
    """A ranking as the protobuf JSON of its message."""
    # Results are most of an answer; protobuf's own printer takes four times as long for them.
    told = object_from(convert.response_from(replace(ranking, results=())))
    told["results"] = [_result(result) for result in ranking.results]
    return told


def _result(result: Result) -> Json:
    told: dict[str, Json] = {
        "index": result.index,
        "id": result.id,
        "score": shortest(result.score),
        "rank": result.rank,
        "droppedTokens": result.dropped_tokens,
        "scored": result.scored,
    }
    if result.logit is not None:
        told["logit"] = shortest(result.logit)
    if result.original_score is not None:
        told["originalScore"] = shortest(result.original_score)
    if result.passage is not None:
        told["passage"] = {"startChar": result.passage.start_char, "endChar": result.passage.end_char}
    if result.document is not None:
        told["document"] = object_from(convert.message_of(result.document))
    return told


def error_body(error: RerankdError, request_id: str) -> Json:
    """An error as AIP-193 has it, the name of its reason also where it is easy to find."""
    return error_object(error, error.spec.http, request_id)


def error_object(error: RerankdError, status: int, request_id: str) -> Json:
    """The same with the status of another table than the error's own."""
    info: dict[str, Json] = {
        "@type": _ERROR_INFO,
        "reason": error.spec.reason,
        "domain": DOMAIN,
        "metadata": {**error.metadata, "request_id": request_id},
    }
    details: list[Json] = [info]
    if error.field:
        violation: Json = {"field": error.field, "description": error.message}
        details.append({"@type": _BAD_REQUEST, "fieldViolations": [violation]})
    if error.retry_after_seconds is not None:
        delay = convert.duration_from(error.retry_after_seconds)
        details.append({"@type": _RETRY_INFO, "retryDelay": _seconds(delay)})
    return {
        "error": {
            "code": status,
            "status": error.spec.grpc,
            "reason": error.spec.reason,
            "message": error.message,
            "details": details,
        }
    }


def _seconds(duration: Duration) -> str:
    return duration.ToJsonString()


NATIVE = Dialect(name="native", parse=parse, render=render, error_body=error_body, native=True)
