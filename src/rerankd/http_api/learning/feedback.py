"""Feedback in, and the log of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import cast

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rerankd.core.errors import InvalidRequestError
from rerankd.http_api.json_text import LINES, Json
from rerankd.http_api.learning.answers import plain
from rerankd.http_api.learning.arguments import Arguments
from rerankd.http_api.learning.calls import Desk, raw_route, route
from rerankd.messages.json_messages import message_from
from rerankd.messages.learning.feedback import events_from, purged, recorded, statistics_from
from rerankd.training.feedback import Purge
from rerankd.training.types import FeedbackEvent, FeedbackKind, ShownDocument
from rerankd.training.v1alpha import training_service_pb2 as pb

_STARS = {f"star{number}": (number - 1) / 4 for number in range(1, 6)}
_SIGNALS: dict[str, float | None] = {"click": None, "thumbsup": 1.0, "thumbsdown": 0.0, **_STARS}
"""Signal of tribrid to a rating; None = a click."""

_MOST_EVENTS = 10_000
"""Of the log that are told, and among which the corpus of a click is looked for."""


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    calls = _Feedback(desk)

    async def download(request: Request) -> Response:
        return StreamingResponse(
            _lines(desk, request.query_params.get("corpus_id", "")),
            media_type=LINES,
            headers={"content-disposition": 'attachment; filename="feedback.jsonl"'},
        )

    return [
        route("/reranker/feedback", calls.feedback, method="POST"),
        route("/reranker/click", calls.click, method="POST"),
        route("/reranker/feedback/purge", calls.purge, method="POST"),
        route("/reranker/logs", calls.logs),
        route("/reranker/logs/count", calls.count),
        raw_route("/reranker/logs/download", download),
        route("/reranker/logs/clear", calls.clear, method="POST"),
        route("/reranker/nohits", calls.nohits),
    ]


class _Feedback:
    def __init__(self, desk: Desk) -> None:
        self._learning = desk.learning

    async def feedback(self, arguments: Arguments) -> Json:
        """Events as the contract has them, or one signal as tribrid has it."""
        if "events" in arguments:
            events = events_from(
                message_from({"events": arguments.raw("events")}, pb.RecordFeedbackRequest()).events
            )
        else:
            events = [await self._signal(arguments, arguments.text("signal", "click"))]
        arguments.finish()
        return _kept(recorded(await self._learning.record(events)))

    async def click(self, arguments: Arguments) -> Json:
        """One click: tribrid's `event_id` is the request id here."""
        event = await self._signal(arguments, "click")
        arguments.finish()
        return _kept(recorded(await self._learning.record([event])))

    async def purge(self, arguments: Arguments) -> Json:
        """Forgets events."""
        names = ("event_ids", "request_ids", "document_ids", "queries")
        lists = {name: tuple(arguments.texts(name)) for name in names}
        everything = arguments.flag("everything")
        corpus_id = arguments.text("corpus_id", "")
        arguments.finish()
        if not everything and not any(lists.values()):
            raise InvalidRequestError(f"name what to forget: {', '.join(names)}, or everything")
        purge = Purge(corpus_id=corpus_id, everything=everything, **lists)
        return plain(purged(await self._learning.purge(purge)))

    async def logs(self, arguments: Arguments) -> Json:
        """The last events."""
        limit = arguments.count("limit", 200, _MOST_EVENTS)
        events = await self._learning.recent(limit, arguments.text("corpus_id", ""))
        arguments.finish()
        return {"logs": [_event_json(event) for event in events], "count": len(events)}

    async def count(self, arguments: Arguments) -> Json:
        """The log in numbers."""
        statistics = await self._learning.feedback(arguments.text("corpus_id", ""))
        arguments.finish()
        return {"count": sum(statistics.events.values()), **plain(statistics_from(statistics))}

    async def clear(self, arguments: Arguments) -> Json:
        """Forgets everything, or everything of a corpus."""
        corpus_id = arguments.text("corpus_id", "")
        arguments.finish()
        result = await self._learning.purge(Purge(corpus_id=corpus_id, everything=True))
        return {"ok": True, **plain(purged(result))}

    async def nohits(self, arguments: Arguments) -> Json:
        """Queries without a click."""
        statistics = await self._learning.feedback(arguments.text("corpus_id", ""))
        arguments.finish()
        queries: list[Json] = [cast("Json", asdict(hit)) for hit in statistics.no_hits]
        return {"queries": queries, "count": statistics.no_hit_queries}

    async def _signal(self, arguments: Arguments, signal: str) -> FeedbackEvent:
        if signal not in _SIGNALS:
            raise InvalidRequestError(f"signal must be {', '.join(_SIGNALS)}", field="signal")
        by_us = "request_id" in arguments
        request_id = arguments.text("request_id" if by_us else "event_id")
        event_id = arguments.text("event_id", "") if by_us else ""
        document = ShownDocument(id=arguments.text("doc_id"), rank=arguments.count("rank", 0, 1_000_000))
        arguments.raw("note")
        rating = _SIGNALS[signal]
        return FeedbackEvent(
            id=event_id,
            time=0.0,
            kind=FeedbackKind.CLICKED if rating is None else FeedbackKind.RATED,
            request_id=request_id,
            corpus_id=await self._corpus(arguments, request_id),
            document=document,
            rating=rating,
        )

    async def _corpus(self, arguments: Arguments, request_id: str) -> str:
        """The corpus that is named, else that of the results that were shown."""
        if "corpus_id" in arguments:
            return arguments.text("corpus_id")
        for event in await self._learning.recent(_MOST_EVENTS):
            if event.request_id == request_id:
                return event.corpus_id
        raise InvalidRequestError(
            "corpus_id is missing, and no results were shown under this id", field="corpus_id"
        )


def _kept(answer: pb.RecordFeedbackResponse) -> Json:
    return {"ok": True, **plain(answer)}


def _event_json(event: FeedbackEvent) -> Json:
    return cast("Json", {**asdict(event), "kind": event.kind.value})


async def _lines(desk: Desk, corpus_id: str) -> AsyncIterator[bytes]:
    async for block in desk.learning.log_lines(corpus_id):
        yield block
