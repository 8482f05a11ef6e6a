"""Text of the code as Markdown that the forge and the site read alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CODE = re.compile(r"(`[^`]*`)")
# What would begin a tag, and stars, which would be emphasis.
_SPECIAL = re.compile(r"(<(?=[A-Za-z/!?])|\*)")


def escaped(text: str) -> str:
    """Plain text with nothing in it that Markdown would read, but for what is in backticks."""
    parts = _CODE.split(text)
    return "".join(part if number % 2 else _SPECIAL.sub(r"\\\1", part) for number, part in enumerate(parts))


def cell(text: str) -> str:
    """Text for one cell of a table: on one line, no bar ends it."""
    return " ".join(text.split()).replace("|", "\\|")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table and an empty one after it."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(cell(each) for each in row)} |" for row in rows]
    return [*lines, ""]


def indented(lines: Iterable[str], by: int) -> list[str]:
    """The same lines inside an item of a list."""
    return [" " * by + line if line else "" for line in lines]
