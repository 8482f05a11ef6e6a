"""Servers that exchanges name, each started when the first one asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from http_settings import SETTINGS
from support.http_server import http_server

UrlOf = Callable[[str], str]


@pytest.fixture(scope="package")
def url_of() -> Iterator[UrlOf]:
    """Gives the address of the server with the settings of this name."""
    urls: dict[str, str] = {}
    with ExitStack() as running:

        def find(name: str) -> str:
            if name not in urls:
                urls[name] = running.enter_context(http_server(**SETTINGS[name])).http_url  # type: ignore[arg-type]
            return urls[name]

        yield find
