"""Streams over HTTP: the same rankings as over gRPC, and nobody holds more than the window."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
from support.calls import ObservedEngine, chunks, observed, start, texts
from support.fake_backend import RAISE_WORD, FakeBackend
from support.http import Answer, Connection, both_doors, call, connected, http_door

from rerankd.http_api.routes import application

PATH = "/api/v1/rerank/stream"
LINES = {"content-type": "application/x-ndjson", "transfer-encoding": "chunked"}


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def documents(count: int, prefix: str = "") -> bytes:
    return lines(*({"text": prefix + text} for text in texts(count)))


def start_line(emit: str = "STREAM_EMIT_SUMMARY_ONLY", **options: object) -> bytes:
    return lines({"query": "alpha beta", "emit": emit, "options": options})


async def streamed(port: int, *parts: bytes, accept: str = "") -> Answer:
    headers = {"content-type": "application/x-ndjson", **({"accept": accept} if accept else {})}
    return await call(port, PATH, b"".join(parts), headers=headers)


def told(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


@asynccontextmanager
async def streaming(port: int, *parts: bytes) -> AsyncIterator[Connection]:
    """A stream that goes on after its first parts."""
    async with connected(port) as connection:
        await connection.begin("POST", PATH, LINES)
        for part in parts:
            await connection.send(h11.Data(data=part))
        yield connection


async def test_the_summary_is_the_one_of_grpc() -> None:
    async with both_doors() as server:
        messages = [start(), *chunks(700, 100)]
        expected = [m async for m in server.stub.RerankStream(iter(messages))][-1].summary
        (last,) = told(await streamed(server.app.http_port, start_line(), documents(700)))
    found = [(r["index"], r["score"]) for r in last["summary"]["results"]]
    assert found == [(r.index, pytest.approx(r.score, rel=1e-7)) for r in expected.results]
    assert last["summary"]["usage"]["documents"] == 700
    assert last["summary"]["outcome"] == "OUTCOME_RERANKED"


async def test_every_document_is_scored_once_and_numbered_as_asked() -> None:
    body = (
        start_line("STREAM_EMIT_SCORES", topN=2),
        lines(
            {"documents": [{"text": "alpha"}, {"text": "beta"}], "index": [3, 8]}, {"text": "c", "id": "x"}
        ),
    )
    async with http_door() as door:
        *scores, last = told(await streamed(door.port, *body))
    assert sorted(index for line in scores for index in line["scores"]["index"]) == [3, 8, 9]
    assert scores[0]["scores"]["model"]["id"] == "test/fake"
    assert [result["index"] for result in last["summary"]["results"]] == [3, 8]


async def test_events_have_the_name_of_what_they_tell() -> None:
    async with http_door() as door:
        answer = await streamed(
            door.port, start_line("STREAM_EMIT_SCORES"), documents(2), accept="text/event-stream"
        )
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    blocks = answer.body.decode().strip().split("\n\n")
    names = [block.split("\n")[0] for block in blocks]
    assert names[-1] == "event: summary"
    assert set(names[:-1]) == {"event: scores"}
    data = [json.loads(block.split("\n")[1].removeprefix("data: ")) for block in blocks]
    assert "results" in data[-1]["summary"]


async def test_scores_come_while_documents_are_still_sent() -> None:
    async with http_door() as door, streaming(door.port, start_line("STREAM_EMIT_SCORES")) as stream:
        await stream.send(h11.Data(data=documents(3)))
        assert (await stream.head()).status_code == 200
        seen: list[int] = []
        while len(seen) < 3:
            seen += (await stream.line())["scores"]["index"]
        await stream.send(h11.Data(data=documents(2)))
        while len(seen) < 5:
            seen += (await stream.line())["scores"]["index"]
        await stream.send(h11.EndOfMessage())
        assert "summary" in await stream.line()
        assert await stream.line() is None
    assert sorted(seen) == list(range(5))


async def test_a_server_that_cannot_keep_up_stops_reading() -> None:
    backend = FakeBackend()
    engine, serving = observed(backend, http_enabled=True, limits={"stream_window_documents": 64})
    async with serving as server:
        backend.gate.clear()
        async with streaming(server.app.http_port, start_line()) as stream:
            # 20 MB: more than the sockets of both sides hold.
            parts = [h11.Data(data=documents(10, "x " * 10_000)) for _ in range(100)]
            writing = asyncio.create_task(stream.send(*parts))
            await asyncio.to_thread(backend.started.acquire)
            await quiet(engine, 64)
            # The window, and what came in one piece with the document that no longer fitted it.
            assert 64 <= engine.pulled <= 64 + 10
            assert not writing.done()
            backend.gate.set()
            await writing
            await stream.send(h11.EndOfMessage())
            await stream.head()
            summary = await stream.line()
    assert summary["summary"]["usage"]["documents"] == 1000 == engine.pulled


async def quiet(engine: ObservedEngine, least: int) -> None:
    """Returns when the engine has pulled so much, and then nothing for a number of turns of the loop."""
    before = -1
    while before != engine.pulled or engine.pulled < least:
        before = engine.pulled
        for _ in range(2000):
            await asyncio.sleep(0)


async def test_a_caller_who_hangs_up_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rerankd.calls")
    backend = FakeBackend()
    engine, serving = observed(backend, http_enabled=True)
    async with serving as server:
        backend.gate.clear()
        async with streaming(server.app.http_port, start_line(), documents(20)) as stream:
            await asyncio.to_thread(backend.started.acquire)
            await stream.send(h11.EndOfMessage())
        await engine.ended.wait()
        backend.gate.set()
        engine.ended.clear()
        async with streaming(server.app.http_port, start_line(), documents(20)):
            await asyncio.to_thread(backend.started.acquire)
        await engine.ended.wait()
    reasons = [vars(record)["reason"] for record in caplog.records if record.name == "rerankd.calls"]
    assert reasons == ["CANCELLED", "CANCELLED"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "STREAM_PROTOCOL"),
        (lines({"query": ""}, {"text": "a"}), 400, "INVALID_REQUEST"),
        (lines({"query": "q"}), 400, "INVALID_REQUEST"),
        (lines({"text": "a"}), 400, "INVALID_REQUEST"),
        (b"{", 400, "INVALID_REQUEST"),
        (lines({"query": "q", "options": {"model": "nobody/knows"}}, {"text": "a"}), 404, "MODEL_NOT_FOUND"),
        (lines({"query": "q"}, {"text": "a"}, {"fields": 5}), 400, "INVALID_REQUEST"),
        (lines({"query": "q"}, {"text": "x" * 2000}), 413, "INVALID_REQUEST"),
        (lines({"query": "q"}, {"text": RAISE_WORD}), 500, "BACKEND_FAILED"),
    ],
)
async def test_errors_before_the_first_line_have_their_status(body: bytes, status: int, reason: str) -> None:
    async with http_door(limits={"max_chunk_bytes": 1024}) as door:
        answer = await streamed(door.port, body)
        assert (answer.status, answer.json["error"]["reason"]) == (status, reason)
        assert answer.headers["content-type"] == "application/json"
        assert len(told(await streamed(door.port, start_line(), documents(3)))) == 1


async def test_an_error_after_the_first_line_is_the_last_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rerankd.calls")
    async with http_door() as door:
        async with streaming(door.port, start_line("STREAM_EMIT_SCORES"), documents(1)) as stream:
            await stream.head()
            assert "scores" in await stream.line()
            await stream.send(h11.Data(data=b"{\n"))
            error = (await stream.line())["error"]
            assert (error["code"], error["reason"]) == (400, "INVALID_REQUEST")
            assert "line 3 of the body" in error["message"]
            assert await stream.line() is None
        await door.server.finish(30)
    line = next(vars(record) for record in caplog.records if record.name == "rerankd.calls")
    assert (line["status"], line["reason"], line["code"]) == (200, "INVALID_REQUEST", "INVALID_ARGUMENT")


async def test_a_stream_that_outlives_the_grace_is_told_so() -> None:
    async with http_door() as door:
        async with streaming(door.port, start_line("STREAM_EMIT_SCORES"), documents(1)) as stream:
            await stream.head()
            assert "scores" in await stream.line()
            await door.server.finish(0)
            assert (await stream.line())["error"]["reason"] == "DRAINING"
        assert (await streamed(door.port, start_line(), documents(1))).status == 503


async def test_the_deadline_of_a_stream_is_the_callers() -> None:
    backend = FakeBackend()
    async with http_door(backend) as door:
        assert len(told(await streamed(door.port, start_line(), documents(1)))) == 1
        backend.gate.clear()
        answer = await call(
            door.port, PATH, start_line() + documents(3), headers={"x-request-timeout-ms": "300"}
        )
        assert (answer.status, answer.json["error"]["reason"]) == (504, "DEADLINE_EXCEEDED")


async def test_snapshots_and_documents_come_back() -> None:
    first = {
        "query": "alpha beta",
        "emit": "STREAM_EMIT_SNAPSHOTS",
        "snapshotInterval": "0s",
        "options": {"topN": 2, "returnDocuments": True},
    }
    async with http_door() as door:
        *snapshots, last = told(await streamed(door.port, lines(first), documents(300)))
    assert snapshots
    assert all(len(line["snapshot"]["results"]) <= 2 for line in snapshots)
    for result in last["summary"]["results"]:
        assert result["document"]["text"] == texts(300)[result["index"]]


async def test_a_caller_who_does_not_read_is_not_read_from() -> None:
    backend = FakeBackend()
    engine, serving = observed(backend, limits={"stream_window_documents": 64})
    part = documents(10)
    body = itertools.chain([start_line("STREAM_EMIT_SCORES")], itertools.repeat(part))
    room, gone, sent = asyncio.Event(), asyncio.Event(), 0

    async def receive() -> dict[str, Any]:
        if gone.is_set():
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": next(body), "more_body": True}

    async def send(message: Any) -> None:
        nonlocal sent
        sent += 1
        await room.wait()

    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "headers": [(b"content-type", b"application/x-ndjson")],
        "query_string": b"",
    }
    async with serving:
        door = application(engine, lambda: "ready")
        answering = asyncio.create_task(door(scope, receive, send))
        try:
            await quiet(engine, 64)
            # A window whose scores are on their way, and one whose scores wait for them.
            assert 64 <= engine.pulled <= 2 * 64 + 10
            assert sent == 1
        finally:
            gone.set()
            room.set()
            await answering
        assert len(door.calls) == 0
