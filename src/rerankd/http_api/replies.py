"""Answers on their way out: a ranking or an error, in the words of a dialect."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rerankd.core.errors import RerankdError
from rerankd.core.types import Outcome, Ranking
from rerankd.http_api.dialects.dialect import Answered, Dialect
from rerankd.http_api.json_text import MEDIA_TYPE, Json, json_bytes
from rerankd.telemetry.calls import note_ranking, note_reason, request_id

_MAX_HEADER_LENGTH = 512


def json_response(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as an answer."""
    return Response(json_bytes(value), status, headers, MEDIA_TYPE)


async def send_ranking(
    dialect: Dialect,
    answered: Answered,
    scope: Scope,
    receive: Receive,
    send: Send,
    more_headers: Mapping[str, str] | None = None,
) -> None:
    """Answers with a ranking."""
    note_ranking(answered.ranking)
    headers = {**dialect.headers(answered), **ranking_headers(answered.ranking), **(more_headers or {})}
    await json_response(dialect.render(answered), headers=headers)(scope, receive, send)


async def send_error(
    dialect: Dialect, error: RerankdError, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answers with an error."""
    note_reason(error.spec.reason)
    reply = dialect.render_error(error, request_id.get())
    if reply.body is None:
        await Response(status_code=reply.status, headers=reply.headers)(scope, receive, send)
        return
    await json_response(reply.body, reply.status, reply.headers)(scope, receive, send)


def ranking_headers(ranking: Ranking) -> dict[str, str]:
    """Model and times for proxies, and what is out of the ordinary for every reader."""
    told = {
        # Headers are ASCII; a configured name need not be.
        "x-rerankd-model": quote(ranking.model.id, safe="/:@ +,;="),
        "x-rerankd-queue-ms": f"{1000 * ranking.timing.queue_seconds:.3f}",
        "x-rerankd-inference-ms": f"{1000 * ranking.timing.inference_seconds:.3f}",
    }
    if ranking.outcome is not Outcome.RERANKED or ranking.outcome_reason:
        told["x-rerankd-outcome"] = ranking.outcome.name
        told["x-rerankd-outcome-reason"] = quote(ranking.outcome_reason, safe="/:@ +,;=()'")[
            :_MAX_HEADER_LENGTH
        ]
    if ranking.usage.truncated_documents:
        told["x-rerankd-truncated-documents"] = str(ranking.usage.truncated_documents)
    return told
