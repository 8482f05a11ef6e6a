"""Documents are texts and never markup, and the page knows no other server than its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from support.browser import Visit

from rerankd.http_api.playground.files import FOLDER, PAGE

MARKUP = [
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "</p></li></ol><svg onload=document.title='owned'>",
    "&lt;b&gt; &amp; <b>bold</b> <a href='javascript:document.title=1'>link</a>",
    "{{grpc_port}} ${document.title='owned'}",
]
COUNT = "document.querySelectorAll('*').length - document.querySelectorAll('#results *, #code *').length"
STORED = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
CALLED = {"/", "/info", "/v1/models", "/api/v1/rerank"}
WAYS_IN = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
SOURCES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".js", ".html", ".css"))


def test_markup_is_shown_as_it_was_typed(visit: Visit) -> None:
    page = visit.page
    page.select_option("#format", "lines")
    before = page.evaluate(COUNT)
    visit.rank(query=MARKUP[0], documents="\n".join(MARKUP))
    assert sorted(page.locator("#after .text").all_inner_texts()) == sorted(MARKUP)
    assert sorted(page.locator("#before .text").all_inner_texts()) == sorted(MARKUP)
    assert (
        page.locator("#results img, #results script, #results a, #results b, #results [onload]").count() == 0
    )
    for tab in page.locator("#languages [role=tab]").all():
        tab.click()
        assert page.locator("#code *").count() == 0
    after = page.evaluate(COUNT)
    assert after == before
    assert page.title() == "rerankd playground"


def test_markup_in_what_the_server_says_is_text_too(visit: Visit) -> None:
    page = visit.page
    error = {"code": 400, "reason": MARKUP[0], "message": MARKUP[1], "details": []}
    page.route("**/api/v1/rerank", lambda route: route.fulfill(status=400, json={"error": error}))
    model = {"id": MARKUP[0], "root": MARKUP[2], "state": "active"}
    page.route("**/v1/models", lambda route: route.fulfill(json={"data": [model]}))
    page.reload()
    expect(page.locator("#model option").nth(1)).to_have_text(f"{MARKUP[0]} = {MARKUP[2]}")
    page.click("#rank")
    expect(page.get_by_role("alert")).to_contain_text(MARKUP[1])
    assert page.locator("#failure img, #failure script, #model img").count() == 0
    assert page.title() == "rerankd playground"


def test_the_policy_stops_what_the_page_would_never_do(visit: Visit) -> None:
    """The net below: were markup ever to get in, it would neither run nor call home."""
    page = visit.page
    tried = page.evaluate(
        """async () => {
            const refused = [];
            try { document.body.innerHTML = "<b>x</b>"; } catch { refused.push("markup"); }
            try { await fetch("http://127.0.0.1:1/elsewhere"); } catch { refused.push("elsewhere"); }
            const script = document.createElement("script");
            try { script.textContent = "document.title = 'owned'"; document.body.append(script); } catch {}
            return refused;
        }"""
    )
    assert tried == ["markup", "elsewhere"]
    assert page.title() == "rerankd playground"
    kinds = {violation.split()[0] for violation in visit.violations}
    assert {"require-trusted-types-for", "connect-src"} <= kinds
    # These were the test's own doing.
    visit.violations.clear()
    visit.requests[:] = [url for url in visit.requests if ":1/" not in url]


def test_all_that_is_loaded_is_of_this_server(visit: Visit) -> None:
    visit.rank()
    visit.page.click("#tab-stream")
    paths = {url.removeprefix(visit.url) for url in visit.requests}
    served = {f"/playground/{path.name}" for path in FOLDER.iterdir() if path.name != PAGE}
    assert CALLED <= paths <= CALLED | served
    # Nothing is shipped that nobody needs.
    assert served - paths <= {"/playground/icon.svg"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_have_no_way_to_markup_or_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(WAYS_IN, text)
    assert not re.search(r"@import|\burl\(['\"\w]|\son[a-z]+=|style=|javascript:", text)
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text))
    assert addresses <= {"http://www.w3.org"}


def test_what_was_typed_is_kept_nowhere(visit: Visit) -> None:
    visit.rank(query="a secret question", documents="a secret document")
    visit.page.click("#theme")
    stored = visit.page.evaluate(STORED)
    assert "secret" not in stored
    assert visit.page.evaluate("Object.keys(localStorage)") == ["rerankd.theme"]
