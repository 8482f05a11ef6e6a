"""Chromium for tests of pages, and what it notices about the page that it shows."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]

WAIT_MS = 60_000
"""How long a page may take on a busy machine; what is waited for is an event and never this time."""

_VIOLATIONS = """addEventListener("securitypolicyviolation",
    (event) => violated(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""


def chromium_path() -> str:
    """Where Chromium is; skips the test where there is none. With CI=true that is a failure."""
    done = subprocess.run([ROOT / "scripts" / "browser"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    why = done.stderr.strip()
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}; with CI=true no page goes untested", pytrace=False)
    pytest.skip(why)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A browser without a window, and without the calls home that it would make by itself."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        # Containers have no room for its sandbox, and root may not use it.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@dataclass(slots=True, kw_only=True)
class Visit:
    """A page of a server, and what happened on it."""

    url: str
    page: Page
    context: BrowserContext
    requests: list[str] = field(default_factory=list)
    """Addresses of everything that the page asked for."""
    violations: list[str] = field(default_factory=list)
    """Of its Content-Security-Policy."""
    errors: list[str] = field(default_factory=list)
    """Exceptions that nobody caught."""

    def check(self) -> None:
        """Asserts that nothing broke the page's policy, or its scripts, and that it called nobody else."""
        assert not self.violations
        assert not self.errors
        mine = urlsplit(self.url).netloc
        assert self.requests
        assert not [url for url in self.requests if urlsplit(url).netloc != mine]

    def text_of(self, name: str) -> str:
        """The text of the element with this id."""
        return self.page.locator(f"#{name}").inner_text()

    def rank(self, *, query: str | None = None, documents: str | None = None) -> None:
        """Ranks what is in the inputs, or this, and returns when the ranking is shown."""
        if query is not None:
            self.page.fill("#query", query)
        if documents is not None:
            self.page.fill("#documents", documents)
        self.page.click("#rank")
        expect(self.page.locator("#said")).to_have_text(re.compile("scored by"))


@contextmanager
def visiting(browser: Browser, url: str, *, ready: bool = True, **choices: Any) -> Iterator[Visit]:
    """The playground at `url` in a fresh context; `choices` are Playwright's for it.

    At the end it asserts what `Visit.check` does, so that each test does.
    """
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **choices})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    visit = Visit(url=url, page=page, context=context)

    def violated(what: str) -> None:
        visit.violations.append(what)

    context.expose_function("violated", violated)
    context.add_init_script(_VIOLATIONS)
    context.on("request", lambda request: visit.requests.append(request.url))
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    try:
        page.goto(url)
        if ready:
            expect(page.locator("#state")).to_have_attribute("data-state", "ready")
        yield visit
        visit.check()
    finally:
        context.close()
