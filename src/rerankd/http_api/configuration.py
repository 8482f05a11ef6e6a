"""`/config/reranking`: how requests are reranked that do not say, read and changed by JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerankd.access.access import identity
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.http_api.bodies import check_media, object_of, read_body
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.door import peer_host
from rerankd.http_api.failures import BodyTooLargeError
from rerankd.http_api.json_text import Json, JsonObject
from rerankd.http_api.replies import json_response
from rerankd.reconfiguration.changes import FIELDS, unknown_field
from rerankd.reconfiguration.reconfiguration import Current, Reconfiguration
from rerankd.telemetry.calls import note_reason, request_id

PATH = "/config/reranking"

OTHER_NAMES = {
    "reranker_mode": "mode",
    "reranker_local_model": "local_model",
    "reranker_cloud_provider": "cloud_provider",
    "reranker_cloud_model": "cloud_model",
    "tribrid_reranker_topn": "max_scored_documents",
    "reranker_timeout": "timeout_seconds",
    "reranker_cloud_top_n": "cloud_top_n",
    "rerank_input_snippet_chars": "snippet_chars",
}
"""Names by which clients of tribrid know some of the fields."""

WRAPPER = "reranking"
"""A body may be the table itself, or hold it under this name, as the answer does."""

_MAX_BODY_BYTES = 65_536
_ON = ("1", "true")
_OFF = ("0", "false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a body asks for, and in which words."""

    values: Mapping[str, object] = field(default_factory=dict)
    """Field to its new value; None = back to its default."""
    sent: Mapping[str, str] = field(default_factory=dict)
    """Field to the path of it in the body."""

    def name_of(self, name: str) -> str:
        """How the body names a field, or would."""
        return self.sent.get(name, name)


def configuration_routes(reconfiguration: Reconfiguration) -> list[Route]:
    """`GET` and `PATCH`; who may is decided before a call comes here."""

    async def change(request: Request) -> Current:
        persist = _persist(request)
        changes = changes_from(await _body(request))
        return await reconfiguration.update(
            changes.values,
            actor=identity.get().actor(f"http {peer_host(request.scope)}"),
            persist=persist,
            name_of=changes.name_of,
        )

    async def answer(request: Request) -> Response:
        try:
            current = await change(request) if request.method == "PATCH" else reconfiguration.current()
        except RerankdError as error:
            note_reason(error.spec.reason)
            reply = NATIVE.render_error(error, request_id.get())
            return json_response(reply.body, reply.status, reply.headers)
        return json_response(object_from(current))

    return [Route(PATH, answer, methods=["GET", "PATCH"])]


def object_from(current: Current) -> Json:
    """What holds, as JSON; its table can be sent back."""
    return {
        WRAPPER: current.section.model_dump(mode="json"),
        "default_model": current.default_model,
        "generation": current.generation,
    }


def changes_from(body: JsonObject) -> Changes:
    """The changes that a body asks for, by the names of the configuration.

    Raises:
        InvalidRequestError: A field is not known, or given by two names, or there is none.
    """
    table, prefix = body, ""
    inner = body.get(WRAPPER)
    if len(body) == 1 and isinstance(inner, dict):
        table, prefix = inner, f"{WRAPPER}."
    values: dict[str, object] = {}
    sent: dict[str, str] = {}
    for name, value in table.items():
        path = f"{prefix}{name}"
        ours = OTHER_NAMES.get(name, name)
        if ours not in FIELDS:
            raise unknown_field(name, [*FIELDS, *OTHER_NAMES], path)
        if ours in values:
            raise InvalidRequestError(f"{path} and {sent[ours]} are the same field; send one", field=path)
        values[ours] = value
        sent[ours] = path
    if not values:
        raise InvalidRequestError("the body changes nothing; send at least one field, for example mode")
    return Changes(values=values, sent=sent)


def _persist(request: Request) -> bool:
    text = request.query_params.get("persist", _OFF[0])
    if text not in (*_ON, *_OFF):
        raise InvalidRequestError("persist must be true or false", field="persist")
    return text in _ON


async def _body(request: Request) -> JsonObject:
    check_media(request.headers)
    try:
        return object_of(await read_body(request.receive, _MAX_BODY_BYTES))
    except BodyTooLargeError:
        raise BodyTooLargeError(
            f"the body has more than {_MAX_BODY_BYTES} bytes; it is to hold only what changes",
            metadata={"limit": str(_MAX_BODY_BYTES)},
        ) from None
