"""The trace that a call belongs to, as its caller says: W3C Trace Context."""

from __future__ import annotations

import re

TRACEPARENT = "traceparent"

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NONE = "0" * 32


def trace_id_of(traceparent: str | bytes | None) -> str:
    """The id of the caller's trace; empty where there is none, or none that can be read."""
    if not isinstance(traceparent, str):
        return ""
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    # Version ff is forbidden, and only later versions than 00 may bring more fields.
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]) or found[2] == _NONE:
        return ""
    return found[2]
