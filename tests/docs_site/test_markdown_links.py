"""Links of all Markdown files: files and anchors exist, other sites are known ones. No network is asked."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from docs_site.markdown import ELSEWHERE, ROOT, anchors, files, links


def problems(path: Path) -> list[str]:
    found = ((link, problem(path, link)) for link in links(path.read_text(encoding="utf-8")))
    return [f"{link}: {what}" for link, what in found if what]


def problem(path: Path, link: str) -> str:
    """What is wrong with one link of a file; empty = nothing."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        known = (parts.scheme, parts.hostname) in ELSEWHERE
        return "" if known else "not https, or a host that ELSEWHERE does not have"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return "there is no such file"
    if not parts.fragment or target.suffix != ".md":
        return ""
    known = parts.fragment in anchors(target.read_text(encoding="utf-8"))
    return "" if known else "there is no such heading"


@pytest.mark.parametrize("page", files())
def test_links_lead_somewhere(page: str) -> None:
    assert not problems(ROOT / page)


def test_all_pages_are_looked_at() -> None:
    assert {"README.md", "ARCHITECTURE.md", "clients/go/README.md", "docs/index.md"} <= set(files())


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# A `code` heading, here\n\n## Twice\n\n## Twice\n")
    page.write_text(
        "[a](other.md#a-code-heading-here) [b](other.md#twice-1) `[c](no.md)` [d](no.md) [e](#no)\n"
        '[f](other.md#twice-2) [g](http://pypi.org/x) [h](https://example.org "title")\n'
        "```text\n[i](no.md)\n```\n[j]: gone.md\n"
    )
    assert [problem.partition(":")[0] for problem in problems(page)] == [
        "no.md",
        "#no",
        "other.md#twice-2",
        "http",
        "https",
        "gone.md",
    ]
