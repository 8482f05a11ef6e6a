"""What every driver does: calls from standard input, outcomes to standard output, a line of JSON each.

A driver runs in the environment of its SDK and knows nothing of this project. A line that it reads is
`{"api", "url", "model", "query", "documents", "top_n", "options"}`; the line that it writes for it is
`{"ranking": [[index, score], ...]}`, or `{"error": {"type", "status", "text"}}` with what the SDK raised.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

KEY = "a-key"

Ranking = list[tuple[int, float]]


@dataclass(frozen=True)
class Call:
    """One call of an SDK; `top_n` 0 means that the SDK is not told any."""

    url: str
    model: str
    query: str
    documents: list[str]
    top_n: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> int | None:
        """`top_n` for SDKs where None means all."""
        return self.top_n or None

    @property
    def at_most(self) -> int:
        """`top_n` for SDKs that want a number."""
        return self.top_n or len(self.documents) or 1


Api = Callable[[Call], Ranking]


def drive(apis: Mapping[str, Api]) -> None:
    """Makes the calls that standard input asks for, until it ends."""
    # SDKs print to standard output; the outcomes get a channel of their own.
    with os.fdopen(os.dup(1), "w") as outcomes:
        os.dup2(2, 1)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(_outcome(apis[asked.pop("api")], Call(**asked))), file=outcomes, flush=True)


def _outcome(api: Api, call: Call) -> dict[str, Any]:
    try:
        return {"ranking": api(call)}
    except Exception as error:
        status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
        return {"error": {"type": type(error).__name__, "status": status, "text": str(error)}}
