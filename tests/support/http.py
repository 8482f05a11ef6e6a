"""HTTP against servers of tests: one call on a connection of its own, nothing hidden by a library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11

from rerankd.core.engine import Engine
from rerankd.http_api.routes import ServingState, application
from rerankd.http_api.server import HttpServer
from support.fake_backend import FakeBackend
from support.servers import fake_config, fake_engine, serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """An HTTP/1.1 connection that is written to and read from in any order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._unread = b""

    async def send(self, *events: Any) -> None:
        for event in events:
            self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    async def begin(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        given = [(name, value.encode("latin-1")) for name, value in {"host": "test", **headers}.items()]
        await self.send(h11.Request(method=method, target=path, headers=given))

    async def event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(65536))
        return event

    async def head(self) -> h11.Response:
        response = await self.event()
        assert isinstance(response, h11.Response)
        return response

    async def data(self) -> bytes | None:
        """The next part of the body; None at its end."""
        event = await self.event()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def line(self) -> Any:
        """The next line of the body as JSON; None at its end."""
        while b"\n" not in self._unread:
            data = await self.data()
            if data is None:
                assert not self._unread
                return None
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return json.loads(line)

    async def answer(self) -> Answer:
        head = await self.head()
        parts = []
        while (part := await self.data()) is not None:
            parts.append(part)
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Answer(status=head.status_code, headers=headers, body=b"".join(parts))

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection to a port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        await connection.close()


async def call(
    port: int,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One call; a body that is not bytes is sent as JSON."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json", "content-length": str(len(data))} if body is not None else {}
    given |= {name.lower(): value for name, value in (headers or {}).items()}
    given = {name: value for name, value in given.items() if value}
    async with connected(port) as connection:
        await connection.begin(method or ("GET" if body is None else "POST"), path, given)
        await connection.send(*([h11.Data(data=data)] if data else []), h11.EndOfMessage())
        return await connection.answer()


def both_doors(backend: FakeBackend | None = None, engine: Any = None, **sections: Any) -> Any:
    """A server with both doors open."""
    return serving(fake_config(http_enabled=True, **sections), backend, engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDoor:
    """The HTTP door alone, on the test's own loop."""

    server: HttpServer
    engine: Engine
    backend: FakeBackend

    @property
    def port(self) -> int:
        return self.server.port


@asynccontextmanager
async def http_door(
    backend: FakeBackend | None = None,
    engine: Engine | None = None,
    *,
    state: Callable[[], ServingState] = lambda: "ready",
    limits: Mapping[str, int] | None = None,
    **choices: Any,
) -> AsyncIterator[OpenDoor]:
    """The door on a fake model, or on another engine; `choices` are those of `application`."""
    backend = backend or FakeBackend()
    engine = engine or fake_engine(backend, fake_config(limits=limits or {}))
    server = HttpServer(application(engine, state, **choices), "127.0.0.1", 0)
    await server.start()
    try:
        yield OpenDoor(server=server, engine=engine, backend=backend)
    finally:
        backend.gate.set()
        await server.stop()
        await engine.registry.close()
        engine.close()
