"""Servers that tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from support.servers import FakeServer, ServerProcess, serving


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the developer's shell are no part of a test."""
    import os

    for name in [name for name in os.environ if name.startswith("RERANKD_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A real server with the bundled model: `target`, `http_url`, `stop()`."""
    process = ServerProcess({})
    yield process
    process.stop()


@pytest.fixture
async def fake_server() -> AsyncIterator[FakeServer]:
    """A server with a fake model, on the loop of the test."""
    async with serving() as running:
        yield running
