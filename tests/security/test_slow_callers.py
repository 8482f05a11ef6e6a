"""Callers who are slow on purpose: headers, bodies, streams and answers that never come to their end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import resource
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from support.calls import chunks, request, start
from support.fake_backend import FakeBackend
from support.http import both_doors, call, connected
from support.servers import FakeServer
from support.statuses import failure_of

from rerankd.grpc_api import server as grpc_server
from rerankd.v1 import rerank_service_pb2 as pb

SHORT = 0.5
LONG = 3600.0
BODY = json.dumps({"model": "default", "query": "alpha", "documents": ["alpha", "beta"]}).encode()
HEAD = b"POST /v2/rerank HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@asynccontextmanager
async def patient(
    *, header: float = LONG, body: float = LONG, idle: float = LONG, backend: FakeBackend | None = None
) -> AsyncIterator[FakeServer]:
    """A server with these bounds, in seconds; those that a test is not about never come."""
    http = {"header_timeout_seconds": header, "body_timeout_seconds": body}
    # The bound on idle streams is one of days in the configuration, and an hour of headers its longest.
    async with both_doors(backend, http=http, server={"stream_idle_seconds": idle}) as server:
        yield server


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """One byte after the other, for ever; ends when the connection does."""
    with contextlib.suppress(OSError):
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.01)


async def everything(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes the connection."""
    parts = []
    with contextlib.suppress(OSError):
        while part := await reader.read(65536):
            parts.append(part)
    return b"".join(parts)


async def still_serves(server: FakeServer, *, http: bool = True) -> None:
    assert len((await server.stub.Rerank(request(2))).results) == 2
    # Where the bound on headers is short, a busy machine could be too slow for it as well.
    if http:
        assert (await call(server.app.http_port, "/v2/rerank", BODY)).status == 200


@pytest.mark.parametrize("sent", [b"", b"POST /v2/rerank HTTP/1.1\r\nhost: x\r\nx-"])
async def test_headers_that_do_not_end_end_the_connection(sent: bytes) -> None:
    async with patient(header=SHORT) as server, raw(server.app.http_port) as (reader, writer):
        writer.write(sent)
        assert await everything(reader) == b""
        await still_serves(server, http=False)


async def test_headers_in_drops_end_the_connection() -> None:
    async with patient(header=SHORT) as server, raw(server.app.http_port) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nx: ")
        dripping = asyncio.create_task(drip(writer, b"y"))
        assert await everything(reader) == b""
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_the_second_request_of_a_connection_has_the_same_bound() -> None:
    async with patient(header=SHORT) as server, raw(server.app.http_port) as (reader, writer):
        writer.write(HEAD % len(BODY) + BODY)
        assert (await reader.readline()).split()[1] == b"200"
        dripping = asyncio.create_task(drip(writer, b"G"))
        await everything(reader)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.parametrize("drops", [b"", b" "])
async def test_a_body_that_does_not_end_is_a_timeout(drops: bytes) -> None:
    async with patient(body=SHORT) as server, raw(server.app.http_port) as (reader, writer):
        writer.write(HEAD % 1_000_000 + BODY)
        dripping = asyncio.create_task(drip(writer, drops) if drops else asyncio.sleep(0))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == b"408"
        assert b"connection: close" in head
        assert b"did not come to its end within 0.5 s" in await everything(reader)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        await still_serves(server)


async def test_garbage_within_a_body_is_no_fault_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    for path in (b"/v2/rerank", b"/nowhere"):
        async with patient() as server, raw(server.app.http_port) as (reader, writer):
            head = b"POST %s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n"
            writer.write(head % path)
            assert (await everything(reader)).split()[1] == b"400"
            await still_serves(server)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_that_nobody_wants_is_not_waited_for() -> None:
    async with patient(header=SHORT) as server, raw(server.app.http_port) as (reader, writer):
        writer.write(b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"404"
        dripping = asyncio.create_task(drip(writer, b"x"))
        await everything(reader)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_an_idle_http_stream_ends() -> None:
    async with patient(idle=SHORT) as server, connected(server.app.http_port) as connection:
        headers = {"content-type": "application/x-ndjson", "transfer-encoding": "chunked"}
        await connection.begin("POST", "/api/v1/rerank/stream", headers)
        answer = await connection.answer()
        assert (answer.status, answer.json["error"]["status"]) == (504, "DEADLINE_EXCEEDED")
        await still_serves(server)


@pytest.mark.parametrize("sent", [[], [start()], [start(), *chunks(3, 3)]])
async def test_an_idle_grpc_stream_ends(sent: list[pb.RerankStreamRequest]) -> None:
    async with patient(idle=SHORT) as server:
        stream = server.stub.RerankStream()
        for message in sent:
            await stream.write(message)
        failure = await failure_of(stream)
        assert (failure.code, failure.info.metadata["limit_seconds"]) == ("DEADLINE_EXCEEDED", "0.5")
        assert server.app.calls_under_way == 0
        await still_serves(server)


async def test_who_is_held_back_is_not_idle() -> None:
    backend = FakeBackend()
    async with patient(idle=SHORT, backend=backend) as server:
        backend.gate.clear()
        stream = server.stub.RerankStream(iter([start(), *chunks(2000, 100)]))
        reading = asyncio.create_task(_all(stream))
        await asyncio.to_thread(backend.started.acquire)
        # Longer than anybody may be idle: it is the model that lets the stream wait.
        await asyncio.sleep(3 * SHORT)
        backend.gate.set()
        assert len((await reading)[-1].summary.results) == 2000


async def _all(stream: Any) -> list[Any]:
    return [event async for event in stream]


async def test_a_reader_who_takes_nothing_is_left() -> None:
    document = {"id": "d" * 1000, "text": "alpha"}
    lines = [json.dumps({"query": "alpha", "emit": "STREAM_EMIT_SCORES"})]
    lines += [json.dumps(document)] * 20_000
    body = "\n".join(lines).encode()
    async with patient(idle=SHORT) as server:
        with socket.socket() as narrow:
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            narrow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(narrow, ("127.0.0.1", server.app.http_port))
            head = b"POST /api/v1/rerank/stream HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
            with contextlib.suppress(OSError):
                await loop.sock_sendall(narrow, head % len(body) + body)
            async with asyncio.timeout(30):
                while server.app.calls_under_way:
                    await asyncio.sleep(0.01)
        await still_serves(server)


async def test_a_grpc_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "_HANDSHAKE_MS", 200)
    async with patient() as server, raw(server.app.grpc_port) as (reader, _writer):
        # The server speaks first, and then gives up.
        await everything(reader)
        await still_serves(server)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def opening(path: bytes) -> bytes:
    """The beginning of a gRPC call whose message has not come."""
    pairs = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
    pairs += [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
    packed = b"".join(b"\0" + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in pairs)
    message = struct.pack(">BI", 0, 1000) + b"half"
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(4, 0, 0, b"")
        + frame(1, 4, 1, packed)
        + frame(0, 0, 1, message)
    )


async def test_a_message_that_never_comes_ends_with_its_connection() -> None:
    ages = {"max_connection_age_seconds": 0.2, "max_connection_age_grace_seconds": 0.2}
    async with both_doors(server=ages) as server, raw(server.app.grpc_port) as (reader, writer):
        writer.write(opening(b"/rerankd.v1.RerankService/Rerank"))
        await everything(reader)
        assert server.app.calls_under_way == 0


def open_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.fixture
def many_files() -> Iterator[int]:
    """Connections that this process can hold both ends of, up to 8,000; skips where it is few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        count = min(8000, (open_files() - 1000) // 2)
        if count < 2000:
            pytest.skip(f"only {open_files()} files can be open here")
        yield count
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_thousands_of_idle_connections_leave_the_server_serving(many_files: int) -> None:
    async with patient() as server:
        held = []
        try:
            for number in range(many_files):
                port = server.app.http_port if number % 2 else server.app.grpc_port
                held.append(await asyncio.open_connection("127.0.0.1", port))
            await still_serves(server)
        finally:
            for _, writer in held:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for _, writer in held), return_exceptions=True)


async def test_connections_are_bounded() -> None:
    async with both_doors(server={"max_connections": 20}) as server:
        await still_serves(server)
        held = [await asyncio.open_connection("127.0.0.1", server.app.http_port) for _ in range(30)]
        refused = await call(server.app.http_port, "/v2/rerank", BODY)
        assert refused.status == 503
        more = [await asyncio.open_connection("127.0.0.1", server.app.grpc_port) for _ in range(30)]
        # The bound closes what comes above it.
        async with asyncio.timeout(20):
            while not any(reader.at_eof() for reader, _ in more):
                await asyncio.gather(*(_peek(reader) for reader, _ in more))
        for _, writer in (*held, *more):
            writer.close()
        await asyncio.gather(*(w.wait_closed() for _, w in (*held, *more)), return_exceptions=True)


async def _peek(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(0.05):
            await reader.read(65536)


@pytest.mark.parametrize("door", ["one", "many"])
async def test_headers_are_bounded(door: str) -> None:
    filler = {"one": {"x-filler": "y" * 200_000}, "many": {f"x-{n}": "y" * 1000 for n in range(200)}}[door]
    async with patient() as server:
        async with raw(server.app.http_port) as (reader, writer):
            lines = [f"{name}: {value}\r\n" for name, value in filler.items()]
            writer.write(f"GET /health HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
            # What it refuses it does not read, so that the answer itself can be lost.
            assert (await everything(reader))[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.stub.Rerank(request(1), metadata=tuple(filler.items()))
        assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
        await still_serves(server)


async def test_compressed_messages_are_bounded_by_what_they_become() -> None:
    bomb = pb.RerankRequest(query="alpha", documents=[pb.Document(text="a" * (200 << 20))])
    async with patient() as server:
        options = (("grpc.max_send_message_length", -1),)
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{server.app.grpc_port}", options, compression=grpc.Compression.Gzip
        ) as channel:
            rerank = channel.unary_unary("/rerankd.v1.RerankService/Rerank")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rerank(bomb.SerializeToString(), timeout=60)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            # What is honest is read.
            await rerank(request(2).SerializeToString(), timeout=60)
        assert not [1 for batch in server.backend.batches for pair in batch if len(pair.text) > 100]


async def test_compressed_bodies_are_not_read() -> None:
    async with patient() as server:
        headers = {"content-encoding": "gzip"}
        answer = await call(server.app.http_port, "/v2/rerank", gzip.compress(BODY), headers=headers)
        assert answer.status == 415
