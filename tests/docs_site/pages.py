"""Pages of a built site: what they link, load and can be linked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

_LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


@dataclass(slots=True)
class Page:
    """What one page holds."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Site:
    """All pages of a site by their paths, and every file."""

    folder: Path
    pages: Mapping[str, Page]
    files: Set[str]

    def targets(self, path: str) -> Iterator[tuple[str, str, str]]:
        """Each link of a page that stays on the site: as written, the file it leads to, the anchor."""
        for link in self.pages[path].links:
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc:
                target = urlsplit(urljoin(path, link))
                yield link, unquote(target.path).removeprefix("/") or path, unquote(target.fragment)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.anchors.update(given[name] for name in ("id", "name") if given.get(name))
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag == "meta" and given.get("http-equiv") == "refresh":
            self.page.links.append(given["content"].partition("url=")[2])
        loaded = given.get(_LOADING.get(tag, ""), "")
        if loaded and given.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.page.loads.append(loaded)

    def handle_data(self, data: str) -> None:
        self.page.text.append(data)


def read_page(html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    return reader.page


def read_site(folder: Path) -> Site:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    pages = {
        name: read_page((folder / name).read_text(encoding="utf-8"))
        for name in sorted(files)
        if name.endswith(".html")
    }
    return Site(folder, pages, files)
