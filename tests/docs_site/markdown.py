"""Links and anchors of Markdown files, as the forge reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

# Scheme and host of what pages link elsewhere. Whoever adds one has looked at what is there.
ELSEWHERE = {
    ("https", "pypi.org"),
    # The reader's own server.
    ("http", "localhost"),
}

ROOT = Path(__file__).resolve().parents[2]
_SKIPPED = {"node_modules", "target", "dist", "build", "dist-test"}

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})[^\n]*\n.*?^ *\2[`~]* *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*(\S+)", re.MULTILINE)
_AUTOLINK = re.compile(r"<(https?://[^>\s]+)>")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)? *$", re.MULTILINE)
_ID = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


def files() -> list[str]:
    """Every Markdown file of the repository that is not brought by a package manager or a tool."""
    found: list[str] = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in _SKIPPED and (name[0] != "." or name == ".github")]
        here = Path(folder).relative_to(ROOT)
        found += [(here / name).as_posix() for name in names if name.endswith(".md")]
    return sorted(found)


def without_code(text: str) -> str:
    """The text without fenced blocks and code spans."""
    return _CODE.sub("`code`", _FENCE.sub("", text))


def links(text: str) -> Iterator[str]:
    """Targets of all links and pictures."""
    prose = without_code(text)
    for pattern in (_LINK, _DEFINITION, _AUTOLINK):
        yield from pattern.findall(prose)


def anchors(text: str) -> set[str]:
    """What a link to this file can name after #."""
    found = set(_ID.findall(text))
    times: dict[str, int] = {}
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        slug = _slug(heading)
        found.add(f"{slug}-{times[slug]}" if slug in times else slug)
        times[slug] = times.get(slug, 0) + 1
    return found


def _slug(heading: str) -> str:
    shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).strip().replace(" ", "-")
