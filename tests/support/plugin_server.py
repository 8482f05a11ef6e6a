"""A server of pairs on a real socket, with faults on request."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.quiet_server import QuietServer

Pairs = list[list[str]]


def pair_score(query: str, text: str) -> float:
    """Shared words, less a little for length; no probability."""
    return 10.0 * len(set(query.split()) & set(text.split())) - 0.25 * len(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the server was asked."""

    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    pairs: Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it answers instead of scores."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""
    breaks_off: bool = False
    """Whether the connection ends before the body does."""


@dataclass(eq=False)
class PairsServer:
    """Answers with `pair_score`, or with the next of `answers` while there are any."""

    url: str
    calls: list[Call] = field(default_factory=list)
    answers: list[Answer | Callable[[Pairs], Answer]] = field(default_factory=list)
    most_running: int = 0
    running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released at the start of every call."""
    gate: threading.Event = field(default_factory=threading.Event)
    """Calls wait while it is clear; it starts set."""

    def __post_init__(self) -> None:
        self.gate.set()

    def answer(self, call: Call) -> Answer:
        with self.lock:
            self.calls.append(call)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            special = self.answers.pop(0) if self.answers else None
        self.entered.release()
        try:
            self.gate.wait()
        finally:
            with self.lock:
                self.running -= 1
        if isinstance(special, Answer):
            return special
        if special is not None:
            return special(call.pairs)
        return Answer(body=scores_body([pair_score(query, text) for query, text in call.pairs]))


def scores_body(scores: Any) -> bytes:
    return json.dumps({"scores": scores}).encode()


@contextmanager
def pairs_server(tls: ssl.SSLContext | None = None) -> Iterator[PairsServer]:
    """A server on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(path=self.path, headers=headers, pairs=json.loads(body)["pairs"])
            try:
                self._send(state.answer(call))
            except (BrokenPipeError, ConnectionResetError):
                # The client has gone, as some tests want it to.
                self.close_connection = True

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if isinstance(answer.body, bytes):
                self.send_header("content-length", str(len(answer.body) + answer.breaks_off))
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = answer.breaks_off
                return
            self.send_header("connection", "close")
            self.end_headers()
            for chunk in answer.body:
                self.wfile.write(chunk)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keeps the tests' output clean."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    address = f"localhost:{server.server_port}" if tls else f"127.0.0.1:{server.server_port}"
    state = PairsServer(f"{'https' if tls else 'http'}://{address}/score")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
