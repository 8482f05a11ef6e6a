"""What every route of the learning reranker shares: what it works with, and how it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerankd.core.engine import Engine
from rerankd.core.errors import RerankdError
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.json_text import Json
from rerankd.http_api.learning.arguments import Arguments, arguments_of
from rerankd.http_api.replies import json_response
from rerankd.http_api.reranking import tell
from rerankd.telemetry.calls import note_reason, request_id
from rerankd.training.service import Learning

Answer = Callable[[Arguments], Awaitable[Json]]
"""Answers a call with JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the routes work with."""

    learning: Learning
    engine: Engine
    mode: Callable[[], str]
    """What scores requests that name no model: `local`, `learning`, ..."""


def route(path: str, answer: Answer, *, method: str = "GET") -> Route:
    """A route that takes fields and answers with JSON."""

    async def endpoint(request: Request) -> Response:
        arguments = await arguments_of(request)
        return json_response(await answer(arguments))

    return raw_route(path, endpoint, method=method)


def raw_route(path: str, answer: Callable[[Request], Awaitable[Response]], *, method: str = "GET") -> Route:
    """A route that answers for itself; its errors are told as those of the native door."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except RerankdError as error:
            return error_response(error)

    return Route(path, endpoint, methods=[method])


def error_response(error: RerankdError) -> Response:
    """An error as the native door tells it; the cause of what is our own fault goes to the log."""
    tell(error)
    note_reason(error.spec.reason)
    reply = NATIVE.render_error(error, request_id.get())
    return json_response(reply.body, reply.status, reply.headers)
