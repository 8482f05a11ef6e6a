"""Servers whose HTTP door tests speak to from outside, and the plainest client for it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rerankd.core.engine import ANYONE, Engine, Request
from rerankd.core.errors import ERROR_CLASSES
from rerankd.core.types import Caller, Ranking
from support.servers import FAKE_MODEL_PROGRAM, ServerProcess

FAULT = "fail with "
"""A query that begins with this, to a server of `FAULTY_PROGRAM`, raises the error that it goes on with."""

RETRY_AFTER_SECONDS = 1.5

# As FAKE_MODEL_PROGRAM, but a query can ask for any error of the table: some come from no small model.
FAULTY_PROGRAM = f"""
import asyncio, json, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from rerankd.app import Application
from rerankd.config import load
from rerankd.telemetry import logs
from support.fake_backend import FakeBackend
from support.http_server import FaultyEngine
from support.servers import fake_engine
config = load(json.loads(sys.argv[1]))
logs.configure(config.log.level, config.log.format)
engine = fake_engine(FakeBackend(batch_tokens=512), config)
engine.__class__ = FaultyEngine
asyncio.run(Application(config, engine).serve())
"""


class FaultyEngine(Engine):
    """Ranks, unless the query names an error."""

    async def rerank(self, request: Request, caller: Caller = ANYONE) -> Ranking:
        kind = request.query.removeprefix(FAULT)
        for error in ERROR_CLASSES:
            if kind == error.__name__:
                retry = RETRY_AFTER_SECONDS if error.spec.retryable else None
                raise error("what happened; what to do", retry_after_seconds=retry)
        if kind == "RuntimeError":
            raise RuntimeError("a cause that nobody outside may read: /secret/path")
        return await super().rerank(request, caller)


@contextmanager
def http_server(*, faulty: bool = False, **flags: object) -> Iterator[ServerProcess]:
    """A server process on the fake model; `flags` are settings, with `__` for the dot in their names."""
    # Without a cache the same call is told the same usage each time.
    settings = {"cache.max_mib": 0} | {name.replace("__", "."): value for name, value in flags.items()}
    process = ServerProcess(settings, program=FAULTY_PROGRAM if faulty else FAKE_MODEL_PROGRAM)
    try:
        yield process
    finally:
        process.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; a failure of the test if it is none."""
        return json.loads(self.body)


def ask(
    url: str,
    method: str,
    path: str,
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = 30.0,
) -> HttpAnswer:
    """One request on a connection of its own, with these headers and no others of ours."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port or 80, timeout=timeout_seconds
    )
    try:
        data = body.encode() if isinstance(body, str) else body
        connection.request(method, path, data, dict(headers or {}))
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return HttpAnswer(status=response.status, headers=told, body=response.read())
    finally:
        connection.close()


def ask_json(url: str, path: str, body: object, **headers: str) -> HttpAnswer:
    """POSTs a value as JSON."""
    return ask(url, "POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
