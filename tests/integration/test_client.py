from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from support.servers import ServerProcess, serving

from rerankd.client import (
    AsyncClient,
    Client,
    ClientOptions,
    DeadlineExceededError,
    DocumentTooLongError,
    InvalidRequestError,
    MessageTooLargeError,
    ModelNotFoundError,
    NonFiniteScoreError,
    RerankdError,
    ScoreChunk,
    Snapshot,
    StatusResponse,
    TooManyDocumentsError,
    UnavailableError,
    rerank_request,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
QUERY = "red river stone"
DOCUMENTS = ["red", "red river", "red river stone", "blue sky", {"id": "map", "text": "river"}]


def text(number: int) -> str:
    words = ("red", "river", "stone", "light", "salt")
    # Each differs from the others, because equal texts in flight are scored once, which shows in the usage.
    return " ".join(words[(number // 5**k) % 5] for k in range(1 + number % 5)) + f" {number}"


def texts(count: int) -> Iterator[str]:
    return (text(number) for number in range(count))


async def atexts(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield text(number)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A server with a fake model on a loop and a thread of its own, so that both clients can wait for it."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with serving() as running:
            await running.app.wait_ready()
            started.set_result((running.target, asyncio.get_running_loop(), stop))
            await stop.wait()

    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(asyncio.run, serve())
        ended.add_done_callback(lambda done: done.exception() and started.set_exception(done.exception()))
        address, loop, stop = started.result(60)
        yield address
        loop.call_soon_threadsafe(stop.set)
        ended.result(60)


@pytest.fixture
def client(target: str) -> Iterator[Client]:
    with Client(target) as client:
        yield client


@pytest.fixture
async def aclient(target: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(target) as client:
        yield client


def without_timing(message: Message) -> Message:
    for field in ("timing", "uptime_duration", "queue"):
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    return message


SAME_CALLS: dict[str, Callable[[Any], Any]] = {
    "rerank": lambda c: c.rerank(QUERY, DOCUMENTS, top_n=3, return_documents=True, raw_scores=True),
    "rerank_all": lambda c: c.rerank_all(QUERY, texts(50)),
    "rerank_all_by_stream": lambda c: c.rerank_all(QUERY, texts(1500), top_n=20),
    "batch": lambda c: c.rerank_batch(
        [rerank_request(QUERY), rerank_request("salt", ["salt", "light"], top_n=1), rerank_request("")],
        shared_documents=DOCUMENTS,
        top_n=2,
    ),
    "warmup": lambda c: c.warmup(sample_queries=["q"], sample_documents=["d"]),
    "is_ready": lambda c: c.is_ready(),
    "is_ready_unknown": lambda c: c.is_ready("no.such.Service"),
    "wait_until_ready": lambda c: c.wait_until_ready(30),
}


@pytest.mark.parametrize("name", SAME_CALLS)
async def test_both_clients_answer_the_same(target: str, name: str) -> None:
    call = SAME_CALLS[name]

    def synchronous() -> object:
        with Client(target) as client:
            return call(client)

    expected = await asyncio.to_thread(synchronous)
    async with AsyncClient(target) as client:
        answer = await call(client)
    if isinstance(expected, Message):
        for message in (expected, answer):
            without_timing(message)
            for result in getattr(message, "results", ()):
                if hasattr(result, "response"):
                    without_timing(result.response)
            if name == "warmup":
                message.ClearField("stages")
    assert answer == expected


FAILING_CALLS: list[tuple[str, type[RerankdError], Callable[[Any], Any]]] = [
    ("empty query", InvalidRequestError, lambda c: c.rerank("", ["a"])),
    ("no documents", InvalidRequestError, lambda c: c.rerank("q", [])),
    ("unknown model", ModelNotFoundError, lambda c: c.rerank("q", ["a"], model="no/such")),
    ("nan", NonFiniteScoreError, lambda c: c.rerank("q", ["notanumber"])),
    ("rejected", DocumentTooLongError, lambda c: c.rerank("q", ["w " * 200], long_document="reject")),
    ("too many", TooManyDocumentsError, lambda c: c.rerank("q", ["a"] * 1025)),
    ("too large", MessageTooLargeError, lambda c: c.rerank("q", ["a" * 17_000_000])),
    ("warm-up", ModelNotFoundError, lambda c: c.warmup("no/such")),
    ("stream", InvalidRequestError, lambda c: c.rerank_stream("q", []).summary()),
    (
        "stream options",
        InvalidRequestError,
        lambda c: c.rerank_stream("q", ["a"], emit="snapshots").summary(),
    ),
]


@pytest.mark.parametrize(("name", "expected", "call"), FAILING_CALLS, ids=[row[0] for row in FAILING_CALLS])
async def test_failures_are_typed_in_both_clients(
    target: str, name: str, expected: type[RerankdError], call: Callable[[Any], Any]
) -> None:
    def synchronous() -> None:
        with Client(target) as client, pytest.raises(expected) as caught:
            call(client)
        caught_by_sync.append(caught.value)

    caught_by_sync: list[RerankdError] = []
    await asyncio.to_thread(synchronous)
    async with AsyncClient(target) as client:
        with pytest.raises(expected) as caught:
            await call(client)
    for error in (caught.value, *caught_by_sync):
        assert type(error) is expected
        assert error.message
    assert caught.value.reason == caught_by_sync[0].reason
    assert caught.value.field_violations == caught_by_sync[0].field_violations


@pytest.mark.parametrize("documents", ["text", {"text": "text"}])
async def test_a_lone_document_is_not_taken_for_a_list(
    client: Client, aclient: AsyncClient, documents: Any
) -> None:
    for call in (client.rerank, client.rerank_all, client.rerank_stream, aclient.rerank_stream):
        with pytest.raises(InvalidRequestError, match="send a list"):
            call(QUERY, documents)
    for acall in (aclient.rerank, aclient.rerank_all):
        with pytest.raises(InvalidRequestError, match="send a list"):
            await acall(QUERY, documents)


def test_an_error_brings_its_details(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.rerank("q", ["a"], top_n=-1)
    error = caught.value
    assert (error.reason, error.code) == ("INVALID_REQUEST", grpc.StatusCode.INVALID_ARGUMENT)
    assert error.field_violations[0].field == "options.top_n"


def test_a_stream_equals_unary_in_pieces(client: Client) -> None:
    count, piece = 5000, 1000
    summary = client.rerank_stream(QUERY, texts(count)).summary()
    pieces = []
    everything = list(texts(count))
    for start in range(0, count, piece):
        reply = client.rerank(QUERY, everything[start : start + piece])
        pieces += [(-result.score, start + result.index) for result in reply.results]
    assert [(-result.score, result.index) for result in summary.results] == sorted(pieces)
    assert summary.usage.documents == count


def test_each_score_of_a_stream_comes_once(client: Client) -> None:
    with client.rerank_stream(QUERY, texts(3000), emit="scores", top_n=5, chunk_documents=50) as stream:
        events = list(stream)
        summary = stream.summary()
    assert all(isinstance(event, ScoreChunk) for event in events)
    scores = {i: s for event in events for i, s in zip(event.index, event.score, strict=True)}
    assert sorted(scores) == list(range(3000))
    assert sum(len(event.index) for event in events) == 3000
    assert all(scores[result.index] == result.score for result in summary.results)


async def test_snapshots_end_in_the_summary(aclient: AsyncClient) -> None:
    async with aclient.rerank_stream(
        QUERY, atexts(2000), emit="snapshots", snapshot_interval_seconds=0, top_n=3
    ) as stream:
        events = [event async for event in stream]
        summary = await stream.summary()
    assert events
    assert all(isinstance(event, Snapshot) for event in events)
    assert [r.index for r in events[-1].results] == [r.index for r in summary.results]


async def test_an_async_stream_takes_both_kinds_of_iterables(aclient: AsyncClient) -> None:
    by_iterable = await aclient.rerank_stream(QUERY, texts(700), top_n=9).summary()
    by_async_iterable = await aclient.rerank_stream(QUERY, atexts(700), top_n=9).summary()
    assert by_iterable.results == by_async_iterable.results


def idle(status: StatusResponse) -> bool:
    return status.queue.documents == 0


def test_leaving_a_stream_early_frees_the_work_of_the_server(client: Client) -> None:
    endless = (text(number) for number in itertools.count())
    with client.rerank_stream(QUERY, endless, emit="scores") as stream:
        next(stream)
    while not idle(client.status()):
        pass


async def test_leaving_an_async_stream_early_frees_the_work_of_the_server(aclient: AsyncClient) -> None:
    endless = (text(number) for number in itertools.count())
    async with aclient.rerank_stream(QUERY, endless, emit="scores") as stream:
        await anext(stream)
    assert "rerank-stream-writer" not in {task.get_name() for task in asyncio.all_tasks()}
    while not idle(await aclient.status()):
        pass


def test_a_stream_that_is_dropped_is_cancelled(client: Client) -> None:
    ended = threading.Event()

    def endless() -> Iterator[str]:
        try:
            for number in itertools.count():
                yield text(number)
        finally:
            ended.set()

    for _ in client.rerank_stream(QUERY, endless(), emit="scores"):
        break
    assert ended.wait(60)


async def test_a_stream_that_the_server_ends_early_tells_why(client: Client, aclient: AsyncClient) -> None:
    # Again and again: whether a write is under way when the server ends the call is a matter of luck.
    for _ in range(20):
        for wrong in ({"top_n": -1}, {"model": "no/such"}):
            expected = InvalidRequestError if "top_n" in wrong else ModelNotFoundError
            endless = (text(number) for number in itertools.count())
            with pytest.raises(expected), client.rerank_stream(QUERY, endless, **wrong) as stream:
                await asyncio.to_thread(stream.summary)
            endless = (text(number) for number in itertools.count())
            async with aclient.rerank_stream(QUERY, endless, **wrong) as astream:
                with pytest.raises(expected):
                    await astream.summary()


class ReadError(BaseException):
    """Not an Exception, as the harder case: gRPC itself looks at those only."""


def failing(after: int) -> Iterator[str]:
    yield from texts(after)
    raise ReadError("the disk is gone")


@pytest.mark.parametrize("after", [0, 1, 1000])
def test_what_the_documents_raise_comes_out_of_the_stream(client: Client, after: int) -> None:
    with client.rerank_stream(QUERY, failing(after), emit="scores") as stream, pytest.raises(ReadError):
        stream.summary()
    with pytest.raises(ReadError):
        client.rerank_all(QUERY, failing(after))


@pytest.mark.parametrize("after", [0, 1, 1000])
async def test_what_the_documents_raise_comes_out_of_the_async_stream(
    aclient: AsyncClient, after: int
) -> None:
    async with aclient.rerank_stream(QUERY, failing(after), emit="scores") as stream:
        with pytest.raises(ReadError):
            await stream.summary()

    async def unreadable() -> AsyncIterator[str]:
        for document in failing(after):
            yield document

    with pytest.raises(ReadError):
        await aclient.rerank_stream(QUERY, unreadable()).summary()


def test_a_document_too_large_for_a_chunk_is_named(client: Client) -> None:
    large = {"fields": {"text": "small", "unscored": "x" * 2_000_000}}
    with pytest.raises(InvalidRequestError, match=r"documents\[2\] has 2000\d+ bytes"):
        client.rerank_stream(QUERY, ["a", "b", large]).summary()


def test_large_documents_travel_in_chunks_that_fit(client: Client) -> None:
    wide = [{"fields": {"text": text(i), "unscored": "x" * 300_000}} for i in range(80)]
    summary = client.rerank_all(QUERY, wide)
    assert summary.usage.scored_documents == 80


async def test_a_cancelled_task_stays_cancelled(aclient: AsyncClient) -> None:
    async def nothing_more() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    async with aclient.rerank_stream(QUERY, nothing_more()) as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await stream.summary()


def test_a_deadline_is_typed(client: Client) -> None:
    with pytest.raises(DeadlineExceededError):
        client.rerank_all(QUERY, itertools.repeat("a"), timeout_seconds=0.2)


def test_the_deadline_of_a_call_to_a_host_that_says_nothing_is_typed() -> None:
    # The kernel takes the connection, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        with Client(f"{host}:{port}") as client, pytest.raises(DeadlineExceededError):
            client.rerank(QUERY, ["a"], timeout_seconds=0.2)


def test_no_server_is_unavailable_at_once_and_says_where() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1") as caught:
        client.rerank("q", ["a"])
    assert caught.value.reason == ""


async def test_waiting_for_a_server_that_never_comes_ends_in_time() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(DeadlineExceededError, match="not SERVING"):
        client.wait_until_ready(0.05)
    async with AsyncClient("127.0.0.1:1") as aclient:
        with pytest.raises(DeadlineExceededError, match="not SERVING"):
            await aclient.wait_until_ready(0.05)


def test_waiting_for_a_service_that_never_serves_ends_in_time(client: Client) -> None:
    with pytest.raises(DeadlineExceededError, match=r"no\.such"):
        client.wait_until_ready(0.05, "no.such")


def test_progress_of_a_warm_up_is_told(client: Client) -> None:
    stages: list[int] = []
    status = client.warmup(on_progress=lambda message: stages.append(message.stage))
    assert status.id
    assert stages[-1] == max(stages)


def test_options_reach_the_calls(target: str) -> None:
    options = ClientOptions(
        token="t", metadata={"x-request-id": "7"}, keepalive_seconds=60, wait_for_ready=True
    )
    with Client(target, options) as client:
        assert client.status().version
    # In the past: gRPC counts in milliseconds, and a server on the same machine can answer within one.
    with (
        Client(target, ClientOptions(timeout_seconds=-1)) as client,
        pytest.raises(DeadlineExceededError),
    ):
        client.rerank("q", ["a"])


@pytest.mark.parametrize("name", ["unary", "stream", "aio"])
def test_examples_run(server: ServerProcess, name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "python" / f"{name}.py"), server.target],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout
    assert not run.stderr
