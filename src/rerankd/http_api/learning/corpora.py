"""Corpora, and the training groups that are mined from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rerankd.core.errors import InvalidRequestError
from rerankd.http_api.bodies import check_media, object_of, parts_of
from rerankd.http_api.json_text import LINES, Json, JsonObject
from rerankd.http_api.learning.answers import plain
from rerankd.http_api.learning.arguments import Arguments
from rerankd.http_api.learning.calls import Desk, raw_route, route
from rerankd.http_api.replies import json_response
from rerankd.messages.json_messages import message_from
from rerankd.messages.learning.corpora import corpus_from, imported, mined
from rerankd.messages.learning.records import records_from
from rerankd.training.spool import Spool
from rerankd.training.v1alpha import training_service_pb2 as pb

_LONGEST_LINE = 4 * 1024 * 1024
_BLOCK = 256
"""Records that are written at a time."""


def routes(desk: Desk) -> list[Route]:
    """The routes of this module."""
    calls = _Corpora(desk)
    return [
        route("/reranker/corpora", calls.corpora),
        raw_route("/reranker/corpora/{corpus_id}", calls.import_, method="PUT"),
        route("/reranker/corpora/{corpus_id}", calls.delete, method="DELETE"),
        route(
            "/reranker/corpora/{corpus_id}/from-feedback",
            calls.from_feedback,
            method="POST",
        ),
        route("/reranker/train/profile", calls.profile),
        route("/reranker/mine", calls.mine, method="POST"),
        route("/reranker/triplets/count", calls.count),
        route("/reranker/triplets/{corpus_id}", calls.triplets),
    ]


class _Corpora:
    def __init__(self, desk: Desk) -> None:
        self._learning = desk.learning

    async def corpora(self, arguments: Arguments) -> Json:
        """All of them in numbers."""
        arguments.finish()
        names = await self._learning.corpora()
        return {"corpora": [plain(corpus_from(await self._learning.profile(name))) for name in names]}

    async def profile(self, arguments: Arguments) -> Json:
        """One of them, with the metric that suits it."""
        corpus_id = arguments.text("corpus_id")
        arguments.finish()
        return plain(corpus_from(await self._learning.profile(corpus_id)))

    async def import_(self, request: Request) -> Response:
        """A corpus out of lines of JSON, each a document, a query or a judgment."""
        check_media(request.headers, LINES, "application/jsonl", "application/json")
        replace = request.query_params.get("replace", "0") in ("1", "true")
        corpus_id = request.path_params["corpus_id"]
        with await asyncio.to_thread(Spool, self._learning.directory) as spool:
            async for block in _blocks(request):
                await asyncio.to_thread(lambda block=block: spool.add(records_from(block)))  # type: ignore[misc]
            report = await self._learning.make_corpus(
                lambda store: spool.create(store, corpus_id, replace=replace)
            )
        return json_response({"corpus_id": corpus_id, **plain(imported(report))})

    async def from_feedback(self, arguments: Arguments) -> Json:
        """A corpus out of the log."""
        corpus_id, replace = arguments.text("corpus_id"), arguments.flag("replace")
        arguments.finish()
        report = await self._learning.corpus_from_feedback(corpus_id, replace=replace)
        return {"corpus_id": corpus_id, **plain(imported(report))}

    async def delete(self, arguments: Arguments) -> Json:
        """Removes a corpus."""
        corpus_id = arguments.text("corpus_id")
        arguments.finish()
        await self._learning.delete_corpus(corpus_id)
        return {"ok": True}

    async def mine(self, arguments: Arguments) -> Json:
        """Makes training groups."""
        corpus_id = arguments.text("corpus_id")
        config = arguments.settings(self._learning.config.mining)
        statistics = await self._learning.mine(corpus_id, config)
        return {"ok": True, "corpus_id": corpus_id, **plain(mined(statistics))}

    async def count(self, arguments: Arguments) -> Json:
        """How many triplets there are."""
        corpus_id = arguments.text("corpus_id")
        arguments.finish()
        count, _ = await self._learning.groups(corpus_id, 0)
        return {"count": count}

    async def triplets(self, arguments: Arguments) -> Json:
        """The first groups."""
        corpus_id, limit = arguments.text("corpus_id"), arguments.count("limit", 100, 10_000)
        arguments.finish()
        count, groups = await self._learning.groups(corpus_id, limit)
        return {"count": count, "groups": [cast("Json", asdict(group)) for group in groups]}


async def _blocks(request: Request) -> AsyncIterator[pb.ImportCorpusRequest]:
    """The lines of a body, many in a message."""
    message = pb.ImportCorpusRequest()
    rest, number, held = b"", 0, 0
    async for part in parts_of(request.receive):
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise InvalidRequestError(f"line {number + 1} has more than {_LONGEST_LINE} bytes")
        for line in lines:
            number, held = number + 1, held + 1
            _add(message, line, number)
            if held >= _BLOCK:
                yield message
                message, held = pb.ImportCorpusRequest(), 0
    _add(message, rest, number + 1)
    if message.HasField("records"):
        yield message


def _add(message: pb.ImportCorpusRequest, line: bytes, number: int) -> None:
    if not line.strip():
        return
    value = object_of(line)
    kinds = {"document": "documents", "query": "queries", "judgment": "judgments"}
    if len(value) != 1 or (kind := next(iter(value))) not in kinds:
        raise InvalidRequestError(
            f"line {number} must be an object with one of {', '.join(kinds)}", field=f"line {number}"
        )
    record: JsonObject = {kinds[kind]: [value[kind]]}
    message.records.MergeFrom(message_from(record, pb.CorpusRecords(), f"line {number}"))
