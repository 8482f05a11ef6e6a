"""What surrounds every HTTP call: trace, id, counts, its log line, and the answer when something breaks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from rerankd.access.access import Access
from rerankd.access.operations import http_operation
from rerankd.core.errors import ERROR_CLASSES, RerankdError
from rerankd.http_api.dialects.dialect import Dialect
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.failures import unexpected
from rerankd.http_api.replies import send_error
from rerankd.http_api.under_way import CallsUnderWay
from rerankd.telemetry import calls, logs
from rerankd.telemetry.call_metrics import HttpCalls
from rerankd.telemetry.trace_context import TRACEPARENT
from rerankd.telemetry.tracing import CallSpan, Tracing, result_attributes

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER = "x-request-id"

_CODES = {kind.spec.reason: kind.spec.grpc for kind in ERROR_CLASSES}
_MAX_PATH_LENGTH = 100


@dataclass(slots=True)
class _Reply:
    """What went out so far."""

    status: int = 0


class Door:
    """The ASGI application with its surroundings.

    Attributes:
        calls: The calls that are being answered; a server that goes down waits for them.
    """

    def __init__(
        self,
        app: Starlette,
        under_way: CallsUnderWay,
        access: Access | None = None,
        dialects: Mapping[str, Dialect] = MappingProxyType({}),
        *,
        tracing: Tracing,
        counts: HttpCalls,
    ) -> None:
        """A door that `access` guards; None = it is open for all but changes.

        `dialects`: path to how errors are told there, where it is not the service's own way.
        """
        self._app = app
        self._tracing = tracing
        self._counts = counts
        self.calls = under_way
        self._access = access or Access()
        self._dialects = dialects
        counts.prepare(route.path for route in app.routes if isinstance(route, Route))

    @property
    def routes(self) -> list[BaseRoute]:
        """What is served."""
        return self._app.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call; an error that nobody foresaw ends here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        self._counts.started()
        span = self._span(scope)
        calls.trace_id.set(span.trace_id)
        identity = calls.accepted_request_id(Headers(scope=scope).get(REQUEST_ID_HEADER))
        calls.request_id.set(identity)
        record = calls.CallRecord()
        calls.call_record.set(record)
        reply = _Reply()

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = identity
            await send(message)

        try:
            if await self._lets_in(scope, receive, identified):
                await self._app(scope, receive, identified)
        except asyncio.CancelledError:
            record.reason = record.reason or "CANCELLED"
            raise
        except Exception as error:
            await _answer_unexpected(error, reply, scope, receive, identified)
        finally:
            seconds = time.monotonic() - started
            _log(scope, reply.status, record, seconds)
            self._counts.handled(scope["path"], reply.status, seconds, record)
            told = result_attributes(record, identity)
            reason = record.reason or (str(reply.status) if reply.status >= 500 else "")
            span.end({**told, "http.response.status_code": reply.status}, error=reason)

    def _span(self, scope: Scope) -> CallSpan:
        headers = Headers(scope=scope)
        carrier = {name: value for name in (TRACEPARENT, "tracestate") if (value := headers.get(name))}
        route = self._counts.route_of(scope["path"])
        attributes = {
            "http.request.method": scope["method"],
            "http.route": route,
            "client.address": peer_host(scope),
        }
        return self._tracing.begin(f"{scope['method']} {route}", carrier, attributes)

    async def _lets_in(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the call may go on; where not it is answered."""
        path = scope["path"]
        try:
            self._access.enter(
                http_operation(scope["method"], path), Headers(scope=scope).get("authorization")
            )
        except RerankdError as error:
            await send_error(self._dialects.get(path, NATIVE), error, scope, receive, send)
            return False
        return True


async def _answer_unexpected(
    cause: Exception, reply: _Reply, scope: Scope, receive: Receive, send: Send
) -> None:
    if reply.status:
        # Half an answer went out: only a connection that breaks tells the reader so.
        raise cause
    logger.error("call failed unexpectedly", exc_info=cause)
    await send_error(NATIVE, unexpected(), scope, receive, send)


def peer_host(scope: Scope) -> str:
    """The host that calls: connections of one host share its turn."""
    client: Any = scope.get("client")
    return str(client[0]) if client else ""


def _log(scope: Scope, status: int, record: calls.CallRecord, seconds: float) -> None:
    code = _CODES.get(record.reason, "")
    level = logs.LEVEL_BY_CODE.get(code, logging.ERROR) if code else _level(status)
    if not logs.calls.isEnabledFor(level):
        return
    path = quote(scope["path"])[:_MAX_PATH_LENGTH]
    logs.calls.log(
        level,
        "call",
        extra={
            "method": f"{scope['method']} {path}",
            "status": status,
            "code": code or ("OK" if status < 400 else ""),
            **record.fields(seconds),
            "peer": peer_host(scope),
        },
    )


def _level(status: int) -> int:
    """For pages without a reason of their own; a probe that hears "not yet" is no warning."""
    return logging.INFO if 400 <= status < 500 else logging.DEBUG
