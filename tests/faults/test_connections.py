"""Peers that speak no HTTP/2, speak it wrongly, or stop in the middle: nothing of them stays."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.faulty import good_call, lines_of
from support.inspected import FAKE_MODEL, InspectedServer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, DATA, RST_STREAM, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 4, 1, 0, 3, 6, 7, 8, 9
END_HEADERS = 4


def frame(
    kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, length: int | None = None
) -> bytes:
    """A frame of HTTP/2; `length` lies about the payload."""
    announced = len(payload) if length is None else length
    return struct.pack(">I", announced)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


OPENED = PREFACE + frame(SETTINGS)
# HPACK: `:method: POST` and `:scheme: http` of the static table, then a literal path and authority.
CALL = (
    b"\x83\x86"
    + b"\x04\x23/rerankd.v1.RerankService/RerankBat"
    + b"\x01\x01x"
    + b"\x0f\x10\x10application/grpc"
    + b"\x00\x02te\x08trailers"
)

ODD = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "HTTP/1.1 at the gRPC port": b"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{}\n",
    "half a preface": PREFACE[:11],
    "a preface and nothing": PREFACE,
    "a frame that is too large": OPENED + frame(DATA, bytes(10), stream=1, length=0xFFFFFF),
    "a frame that is cut": OPENED + frame(HEADERS, CALL, flags=END_HEADERS, stream=1)[:15],
    "headers that are no HPACK": OPENED + frame(HEADERS, b"\xff" * 64, flags=END_HEADERS, stream=1),
    "a size update out of bounds": OPENED
    + frame(HEADERS, b"\x3f\xff\xff\xff\xff\x0f", flags=END_HEADERS, stream=1),
    "an even stream": OPENED + frame(HEADERS, CALL, flags=END_HEADERS, stream=2),
    "stream zero": OPENED + frame(HEADERS, CALL, flags=END_HEADERS, stream=0),
    "continuation of nothing": OPENED + frame(CONTINUATION, CALL, flags=END_HEADERS, stream=1),
    "headers that never end": OPENED
    + frame(HEADERS, CALL, stream=1)
    + frame(CONTINUATION, b"\x00\x01a\x01b" * 50, stream=1) * 200,
    "data on a stream that is not open": OPENED + frame(DATA, b"\x00\x00\x00\x00\x01x", stream=7),
    "a window of zero": OPENED + frame(WINDOW_UPDATE, struct.pack(">I", 0)),
    "a window that overflows": OPENED + frame(WINDOW_UPDATE, struct.pack(">I", 0x7FFFFFFF)) * 3,
    "settings of no length": OPENED + frame(SETTINGS, b"\x00\x03\x00"),
    "a ping of three bytes": OPENED + frame(PING, b"abc"),
    "pings without end": OPENED + frame(PING, bytes(8)) * 2_000,
    "settings without end": OPENED + frame(SETTINGS, struct.pack(">HI", 4, 65535)) * 2_000,
    "streams opened and reset": OPENED + b"".join(
        frame(HEADERS, CALL, flags=END_HEADERS, stream=n) + frame(RST_STREAM, bytes(4), stream=n)
        for n in range(1, 1001, 2)
    ),
    "unknown frames": OPENED + frame(0xEE, b"what is this", flags=0xFF, stream=1) * 50,
    "goodbye first": OPENED + frame(GOAWAY, bytes(8)),
    "a call that never sends its message": OPENED + frame(HEADERS, CALL, flags=END_HEADERS, stream=1),
    "a message that is shorter than it says": OPENED
    + frame(HEADERS, CALL, flags=END_HEADERS, stream=1)
    + frame(DATA, b"\x00\x7f\xff\xff\xff" + b"x" * 100, flags=1, stream=1),
    "a message with an unknown compression": OPENED
    + frame(HEADERS, CALL, flags=END_HEADERS, stream=1)
    + frame(DATA, b"\x01\x00\x00\x00\x03abc", flags=1, stream=1),
}  # fmt: skip

POST = b"POST /rerank HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

ODD_HTTP = {
    "no HTTP at all": b"\x00\x01\x02\x03\r\n\r\n",
    "HTTP/2 at the HTTP port": OPENED,
    "a line without end": b"POST /" + b"a" * 100_000,
    "headers without end": b"GET /health HTTP/1.1\r\n" + b"x-a: b\r\n" * 5_000,
    "a body that never comes": POST + b"Content-Length: 100\r\n\r\n{",
    "a chunk that is no number": POST + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk that is cut": POST + CHUNKED + b"ff\r\n{}",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\n{}\n",
    "a length and chunks": POST + b"Content-Length: 3\r\n" + CHUNKED + b"0\r\n\r\n",
    "a stream that stops": b"POST /api/v1/rerank/stream HTTP/1.1\r\nHost: x\r\n"
    + CHUNKED
    + b'e\r\n{"query": "q"}\r\n',
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[InspectedServer]:
    server = InspectedServer({"warmup.mode": "lazy", "log.level": "debug"}, program=FAKE_MODEL)
    good_call(server.target)
    yield server
    assert server.stop() == 0


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def send(connection: socket.socket, content: bytes) -> None:
    """All of it, or as much as the peer wants to hear."""
    with contextlib.suppress(OSError):
        connection.sendall(content)


def hang_up(connection: socket.socket, *, hard: bool) -> None:
    """Closes it; `hard` with a reset, as a crashed peer or a full table of a firewall does."""
    if hard:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("hard", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("door", ["grpc", "http"])
def test_odd_peers_leave_nothing_behind(server: InspectedServer, door: str, hard: bool) -> None:
    """All of them at once, each on its own connection, and good calls beside them."""
    before = server.holdings()
    address = server.target if door == "grpc" else server.http_url.removeprefix("http://")
    open_ones = []
    for content in (ODD if door == "grpc" else ODD_HTTP).values():
        open_ones.append(connected(address))
        send(open_ones[-1], content)
        good_call(server.target)
    for connection in open_ones:
        hang_up(connection, hard=hard)
    good_call(server.target)
    assert server.settles_to(before).more_than(before) == []
    assert not [line for line in server.log if "Traceback" in line], "".join(server.log)


def test_half_open_connections_leave_room_for_calls(server: InspectedServer) -> None:
    before = server.holdings()
    half_open = [connected(server.target) for _ in range(200)]
    for number, connection in enumerate(half_open):
        send(connection, (b"", PREFACE[:5], OPENED)[number % 3])
    assert server.holdings().sockets >= before.sockets + 150
    good_call(server.target)
    for connection in half_open:
        hang_up(connection, hard=True)
    assert server.settles_to(before).more_than(before) == []


CLIENT = """
import sys, time
from rerankd.client import Client

def documents():
    for i in range(10**9):
        yield f"red river {i}"

with Client(sys.argv[1]) as client:
    with client.rerank_stream("red river", documents(), emit="scores", top_n=10) as events:
        for number, event in enumerate(events):
            if number == 20:
                print("streaming", flush=True)
"""


def test_a_client_that_is_killed_in_its_stream_leaves_nothing_behind(server: InspectedServer) -> None:
    before = server.holdings()
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, server.target], stdout=subprocess.PIPE, env=os.environ
        )
        for _ in range(3)
    ]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == b"streaming\n"
    good_call(server.target)
    for client in clients:
        client.send_signal(signal.SIGKILL)
        client.wait()
        assert client.stdout is not None
        client.stdout.close()
    assert server.settles_to(before).more_than(before) == []
    good_call(server.target)
    left = [
        line
        for line in lines_of(server, "call")
        if line["method"].endswith("/RerankStream") and line["code"] == "CANCELLED"
    ]
    assert len(left) == 3


def test_the_frames_are_what_they_should_be() -> None:
    assert frame(SETTINGS) == b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    assert len({*ODD.values()}) == len(ODD)
