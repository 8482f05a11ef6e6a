"""Browsers and servers for the tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from support.browser import Visit, chromium, chromium_path, visiting
from support.http_server import http_server
from support.servers import ServerProcess


# Not for the session: Playwright's event loop runs in the thread of the tests, and no other can meanwhile.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that the tests of a module share; each has a context of its own in it."""
    with chromium(chromium_path()) as running:
        yield running


@pytest.fixture(scope="session")
def quick_server() -> Iterator[ServerProcess]:
    """A server whose model takes next to no time: shared words are what it scores by."""
    with http_server() as process:
        yield process


@pytest.fixture
def visit(browser: Browser, server: ServerProcess) -> Iterator[Visit]:
    """The page of the server with the bundled model, on a desktop."""
    with visiting(browser, server.http_url) as here:
        yield here


@pytest.fixture
def quick(browser: Browser, quick_server: ServerProcess) -> Iterator[Visit]:
    """The page of the quick server, on a desktop."""
    with visiting(browser, quick_server.http_url) as here:
        yield here
