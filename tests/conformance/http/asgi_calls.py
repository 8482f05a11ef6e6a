"""Calls of the HTTP application without a socket: hundreds of odd bodies would take too long over one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from support.fake_backend import FakeBackend
from support.http_server import HttpAnswer
from support.servers import fake_config, fake_engine

from rerankd.core.engine import Engine
from rerankd.http_api.routes import application

Header = tuple[bytes, bytes]


class AsgiCalls:
    """The application on a fake model, asked from outside its loop."""

    def __init__(self, runner: asyncio.Runner, engine: Engine) -> None:
        self._runner = runner
        self._app = application(engine, lambda: "ready")

    def ask(
        self, method: str, path: str, headers: Sequence[Header] = (), parts: Sequence[bytes] = ()
    ) -> HttpAnswer:
        """One call, its body in these parts."""
        return self._runner.run(self._ask(method, path, headers, parts))

    async def _ask(
        self, method: str, path: str, headers: Sequence[Header], parts: Sequence[bytes]
    ) -> HttpAnswer:
        incoming = [
            *({"type": "http.request", "body": part, "more_body": True} for part in parts),
            {"type": "http.request", "body": b"", "more_body": False},
        ]
        sent: list[Any] = []
        over = asyncio.Event()

        async def receive() -> Any:
            if incoming:
                return incoming.pop(0)
            # The caller stays until the answer is complete.
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                over.set()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": list(headers),
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8080),
        }
        await self._app(scope, receive, send)
        start, *rest = sent
        return HttpAnswer(
            status=start["status"],
            headers={name.decode().lower(): value.decode() for name, value in start["headers"]},
            body=b"".join(message.get("body", b"") for message in rest),
        )


@contextmanager
def asgi_calls() -> Iterator[AsgiCalls]:
    """The application, on a loop of its own."""
    with asyncio.Runner() as runner:
        engine = fake_engine(FakeBackend(batch_tokens=512), fake_config())
        try:
            yield AsgiCalls(runner, engine)
        finally:
            runner.run(engine.registry.close())
            engine.close()
