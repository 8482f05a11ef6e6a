"""What schemathesis loads: how a body of JSON lines is written."""

from __future__ import annotations

import json
from typing import Any

import schemathesis

START = json.dumps({"query": "a question"})


@schemathesis.serializer("application/x-ndjson")
def lines(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """The schema knows a text only: half of them are sent as they are, half as the text of a document."""
    if not isinstance(value, str):
        return json.dumps(value).encode()
    if len(value) % 2:
        return f"{START}\n{json.dumps({'text': value})}\n".encode()
    return value.encode(errors="replace")
