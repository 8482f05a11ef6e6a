"""A server with faults around it: started on a small model, asked whether it still serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rerankd.client import Client
from rerankd.v1 import rerank_service_pb2 as pb
from support.inspected import PROGRAM, InspectedServer

QUERY = "red river"
TEXTS = ("red river stone", "salt", "a river of light")


def flags_for(model: Path, cache: Path, **flags: object) -> dict[str, object]:
    """One small local model, nothing measured, so that a start is short."""
    return {
        "model": str(model),
        "models.cache_dir": str(cache),
        "onnx.lanes": 1,
        "onnx.batch_tokens": 512,
        "http_enabled": False,
        **flags,
    }


@contextmanager
def running(flags: dict[str, object], *, prelude: str = "") -> Iterator[InspectedServer]:
    """A server; asserts that it ends well, whatever was done to it."""
    server = InspectedServer(flags, program=prelude + PROGRAM)
    try:
        yield server
    finally:
        code = server.stop()
    assert code == 0, "".join(server.log)


def good_call(target: str, model: str = "") -> list[float]:
    """Scores of three texts; asserts that they came, for that is what serving means."""
    with Client(target) as client:
        reply = client.rerank(QUERY, TEXTS, model=model)
    assert sorted(result.index for result in reply.results) == [0, 1, 2]
    assert reply.outcome == pb.OUTCOME_RERANKED
    return [result.score for result in sorted(reply.results, key=lambda result: result.index)]


def lines_of(server: InspectedServer, event: str) -> list[dict[str, Any]]:
    """All log lines of an event so far."""
    lines = (json.loads(line) for line in server.log if line.startswith("{"))
    return [line for line in lines if line["event"] == event]
