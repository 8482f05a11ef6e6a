"""Events of a run: as a list, or as server-sent events that a reader can take up again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.json_text import EVENTS, json_bytes
from rerankd.http_api.learning.answers import event_json
from rerankd.http_api.learning.arguments import arguments_of
from rerankd.http_api.learning.calls import Desk
from rerankd.http_api.replies import json_response
from rerankd.messages.learning.runs import event_from
from rerankd.telemetry.calls import request_id
from rerankd.training.service import Learning
from rerankd.training.types import RunEvent

_USUAL_LIMIT, _LARGEST_LIMIT = 500, 100_000
_HEARTBEAT_SECONDS = 15.0
"""Proxies close connections on which nothing comes; a line that is a comment keeps them open."""
_MOST = 2**53 - 1

HEADERS = {
    "cache-control": "no-store",
    # Some proxies collect an answer before they pass it on.
    "x-accel-buffering": "no",
}


async def metrics(desk: Desk, request: Request) -> Response:
    """The events so far as JSON, or, for who accepts server-sent events, those to come as well."""
    arguments = await arguments_of(request)
    run_id = arguments.text("run_id")
    if EVENTS in request.headers.get("accept", ""):
        return await stream(desk, request)
    after = arguments.count("after", 0, _MOST)
    limit = arguments.count("limit", _USUAL_LIMIT, _LARGEST_LIMIT)
    arguments.finish()
    last = await desk.learning.last_events(run_id, after, limit)
    return json_response({"run_id": run_id, "events": [event_json(event_from(event)) for event in last]})


async def stream(desk: Desk, request: Request) -> Response:
    """Every event after `after`, or after the header `Last-Event-ID`, until the run ends."""
    arguments = await arguments_of(request)
    run_id, after = arguments.text("run_id"), arguments.count("after", 0, _MOST)
    arguments.finish()
    last = request.headers.get("last-event-id", "")
    if last:
        if not (last.isascii() and last.isdigit() and int(last) <= _MOST):
            raise InvalidRequestError("Last-Event-ID must be the id of an event", field="last-event-id")
        after = max(after, int(last))
    # What is not there is told by a status; once the answer has begun it is too late.
    await desk.learning.run(run_id)
    return StreamingResponse(_told(desk.learning, run_id, after), media_type=EVENTS, headers=HEADERS)


async def _told(learning: Learning, run_id: str, after: int) -> AsyncIterator[bytes]:
    try:
        async with aclosing(learning.watch(run_id, after)) as events:
            waiting: asyncio.Task[RunEvent | None] | None = None
            try:
                while True:
                    waiting = waiting or asyncio.ensure_future(anext(events, None))
                    done, _ = await asyncio.wait({waiting}, timeout=_HEARTBEAT_SECONDS)
                    if not done:
                        yield b": still here\n\n"
                        continue
                    event, waiting = waiting.result(), None
                    if event is None:
                        yield b"event: end\ndata: {}\n\n"
                        return
                    yield _line(event)
            finally:
                if waiting is not None:
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
    except RerankdError as error:
        yield b"event: error\ndata: %s\n\n" % json_bytes(NATIVE.error_body(error, request_id.get()))


def _line(event: RunEvent) -> bytes:
    data = json_bytes(event_json(event_from(event)))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.sequence, event.type.value.encode(), data)
