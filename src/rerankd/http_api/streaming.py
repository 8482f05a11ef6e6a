"""`POST /api/v1/rerank/stream`: sets of any size, in and out as lines of JSON."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from rerankd.core.errors import RerankdError
from rerankd.core.stream_events import Scores, Snapshot, StreamEvent
from rerankd.core.types import Caller, Ranking
from rerankd.http_api.bodies import check_media, parts_of
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.failures import unexpected
from rerankd.http_api.json_text import EVENTS, LINES, Json, json_bytes
from rerankd.http_api.lines import JsonLines
from rerankd.http_api.replies import send_error
from rerankd.http_api.reranking import Ranker, caller_of, tell, while_connected
from rerankd.messages import convert
from rerankd.messages.json_messages import object_from
from rerankd.messages.stream_input import not_idle
from rerankd.telemetry.calls import note_ranking, note_reason, request_id
from rerankd.v1 import rerank_service_pb2 as pb

logger = logging.getLogger(__name__)


class StreamRoute:
    """The route of streams, as an ASGI application.

    The body is read only as far as the engine asks, and an event is made only when the one before it
    went out: TCP holds back whoever is faster than the other side.
    """

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call; an error after the first line is the last line."""
        headers = Headers(scope=scope)
        writer = _Writer(send, as_events=EVENTS in headers.get("accept", ""))
        error: RerankdError
        try:
            caller = caller_of(scope)
            async with self._ranker.calls.entered():
                check_media(headers, LINES, "application/jsonl", "application/json")
                connection = _Connection(receive)
                await while_connected(connection.end, self._answer(caller, connection, writer))
            return
        except RerankdError as known:
            tell(known)
            error = known
        except Exception:
            logger.exception("call failed unexpectedly", extra={"method": scope["path"]})
            error = unexpected()
        if not writer.started:
            await send_error(NATIVE, error, scope, receive, send)
            return
        note_reason(error.spec.reason)
        await writer.write("error", NATIVE.error_body(error, request_id.get()))
        await writer.close()

    async def _answer(self, caller: Caller, connection: _Connection, writer: _Writer) -> None:
        ranker = self._ranker
        parts = not_idle(parts_of(connection.receive), ranker.stream_idle_seconds)
        lines = JsonLines(parts, ranker.engine.limits.max_chunk_bytes)
        request = await lines.start()
        ranker.check_model(request.options.model)
        events = ranker.engine.rerank_stream(request, lines.chunks(), caller)
        async with aclosing(events):
            async for event in events:
                name, message = _told(event)
                await writer.write(name, object_from(message))
        await writer.close()


class _Connection:
    """One side of a connection that two read from: the body first, then its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._body_read = asyncio.Event()

    async def receive(self) -> Message:
        """The next part of the body."""
        message = await self._receive()
        if not message.get("more_body", False):
            self._body_read.set()
        return message

    async def end(self) -> Message:
        """What comes after the body."""
        await self._body_read.wait()
        return await self._receive()


class _Writer:
    """Writes an answer whose status is known only when its first line is."""

    def __init__(self, send: Send, *, as_events: bool) -> None:
        self._send = send
        self._as_events = as_events
        self.started = False

    async def write(self, name: str, value: Json) -> None:
        """Sends one line; returns when there is room for the next. `name` is that of the event."""
        if not self.started:
            await self._start()
        data = json_bytes(value)
        line = b"event: %s\ndata: %s\n\n" % (name.encode(), data) if self._as_events else data + b"\n"
        await self._send({"type": "http.response.body", "body": line, "more_body": True})

    async def _start(self) -> None:
        self.started = True
        kind = EVENTS if self._as_events else LINES
        headers = [
            (b"content-type", kind.encode()),
            (b"cache-control", b"no-store"),
            # Some proxies collect an answer before they pass it on.
            (b"x-accel-buffering", b"no"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def close(self) -> None:
        """Ends the answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _told(event: StreamEvent | Ranking) -> tuple[str, pb.RerankStreamResponse]:
    """The name of an event, and its message."""
    match event:
        case Scores():
            return "scores", convert.scores_from(event)
        case Snapshot():
            return "snapshot", convert.snapshot_from(event)
        case Ranking():
            note_ranking(event)
            return "summary", pb.RerankStreamResponse(summary=convert.response_from(event))
