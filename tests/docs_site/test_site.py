"""The built site: every link leads somewhere, every page is reached, nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docs_site.markdown import ELSEWHERE
from docs_site.pages import Page, Site, read_page

from rerankd import client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# What Sphinx makes for the search box and the index, which no page has to link.
_OF_SPHINX = {"genindex.html", "search.html"}
# What its footer links.
_OF_THE_THEME = {("https", "github.com"), ("https", "pradyunsg.me")}


def broken(site: Site) -> list[str]:
    found = []
    for path in site.pages:
        for link, target, anchor in site.targets(path):
            if target not in site.files:
                found.append(f"{path}: {link}: there is no {target}")
            elif anchor and target in site.pages and anchor not in site.pages[target].anchors:
                found.append(f"{path}: {link}: {target} has no such anchor")
    return found


def reached(site: Site, start: str) -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path in site.pages and path not in seen:
            seen.add(path)
            waiting += [target for _, target, _ in site.targets(path)]
    return seen


def test_every_link_and_anchor_leads_somewhere(site: Site) -> None:
    assert len(site.pages) > 30
    assert not broken(site)


def test_no_page_is_an_orphan(site: Site) -> None:
    assert set(site.pages) - reached(site, "index.html") - _OF_SPHINX == set()


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    loads = {load for page in site.pages.values() for load in page.loads}
    assert any(load.endswith((".css", ".js")) or ".css?" in load for load in loads)
    assert not [load for load in loads if re.match(r"(\w+:)?//", load) and not load.startswith("data:")]
    for name in site.files:
        if name.endswith(".css"):
            style = (site.folder / name).read_text(encoding="utf-8")
            assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", style), name


def test_other_sites_are_known_ones(site: Site) -> None:
    links = [urlsplit(link) for page in site.pages.values() for link in page.links]
    elsewhere = {(link.scheme, link.hostname) for link in links if link.scheme or link.netloc}
    assert elsewhere
    assert elsewhere <= ELSEWHERE | _OF_THE_THEME


def test_the_python_page_has_every_public_name(site: Site) -> None:
    page = site.pages["docs/python_api.html"]
    text = "".join(page.text)
    missing = [
        name
        for name in client.__all__
        if f"rerankd.client.{name}" not in page.anchors and not re.search(rf"\b{name}\b", text)
    ]
    assert not missing


def test_the_checks_find_what_is_wrong(tmp_path: Path) -> None:
    html = '<script src="https://example.org/x.js"></script><a href="b.html#no">b</a><a href="c.html">c</a>'
    pages = {"a.html": read_page(html), "b.html": Page(anchors={"yes"}), "d.html": Page()}
    site = Site(tmp_path, pages, set(pages))
    assert broken(site) == [
        "a.html: b.html#no: b.html has no such anchor",
        "a.html: c.html: there is no c.html",
    ]
    assert reached(site, "a.html") == {"a.html", "b.html"}
    assert pages["a.html"].loads == ["https://example.org/x.js"]
