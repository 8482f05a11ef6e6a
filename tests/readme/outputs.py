"""Whether what a page shows is what a command prints: words alike, scores to two digits."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+\.\d+(?:e-?\d+)?")
# Maven writes these wherever it writes to.
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
TOLERANCE = 0.006


def is_shown(shown: str, printed: str) -> bool:
    """Whether both say the same, apart from blanks and from digits of a score beyond the second."""
    printed = _STYLE.sub("", printed)
    if _words(shown) != _words(printed):
        return False
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    return all(abs(float(first) - float(second)) < TOLERANCE for first, second in pairs)


def _words(text: str) -> list[str]:
    return _NUMBER.sub("0.0", text).split()
