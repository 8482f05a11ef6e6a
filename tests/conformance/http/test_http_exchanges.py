"""Recorded exchanges, and the table of errors, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from http_exchanges import check, load, match, send
from support.http_server import FAULT, RETRY_AFTER_SECONDS, ask, ask_json

from rerankd.core.errors import ERROR_CLASSES

EXCHANGES = load()
ERRORS = json.loads((Path(__file__).parent / "errors.json").read_text(encoding="utf-8"))["statuses"]
MESSAGE = "what happened; what to do"

# Route of a dialect, the key of its documents, and how it tells an error with this row of the table.
TELLS: dict[str, tuple[str, str, Callable[[dict[str, Any]], object]]] = {
    "native": ("/api/v1/rerank", "documents", lambda row: {"error": native_error(row)}),
    "v2": ("/v2/rerank", "documents", lambda _: {"id": "$string", "message": "$string"}),
    "v1": ("/v1/rerank", "documents", lambda _: {"id": "$string", "message": "$string", "detail": "$string"}),
    "tei": (
        "/rerank",
        "texts",
        lambda row: {"error": "$string", "error_type": row.get("error_type", "$string")},
    ),
    "voyage": ("/voyage/v1/rerank", "documents", lambda _: {"detail": "$string"}),
}


def native_error(row: dict[str, Any]) -> dict[str, object]:
    spec = {kind.__name__: kind.spec for kind in ERROR_CLASSES}.get(row["error"])
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": spec.reason if spec else "INTERNAL",
        "domain": "rerankd",
        "$more": True,
    }
    return {
        "$more": True,
        "code": row["native"],
        "status": spec.grpc if spec else "INTERNAL",
        "message": "$string",
        "details": [info, {"@type": "$matches RetryInfo", "$more": True}] if row.get("retry") else [info],
    }


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
def test_exchange(url_of: Callable[[str], str], exchange: dict[str, Any]) -> None:
    url = url_of(exchange.get("server", "default"))
    check(exchange["expect"], send(url, exchange["request"]))


@pytest.mark.parametrize("dialect", TELLS)
@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row["error"])
def test_every_error_in_every_dialect(
    url_of: Callable[[str], str], row: dict[str, Any], dialect: str
) -> None:
    path, documents, told = TELLS[dialect]
    texts = [{"text": "a"}] if dialect == "native" else ["a"]
    answer = ask_json(url_of("faulty"), path, {"query": FAULT + row["error"], documents: texts})
    assert answer.status == row[dialect], answer.body
    if dialect == "tei" and answer.status == 401:
        assert answer.body == b""
    else:
        match(told(row), answer.json)
        # A cause that is no error of the table is for the log alone.
        assert (MESSAGE.encode() in answer.body) == (row["error"] != "RuntimeError")
        assert b"/secret" not in answer.body
    assert answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == row.get("retry", False)
    if row.get("retry"):
        assert answer.headers["retry-after"] == "2"
        assert answer.headers["retry-after-ms"] == str(round(1000 * RETRY_AFTER_SECONDS))


def test_the_table_of_errors_is_complete() -> None:
    told_elsewhere = {"StreamProtocolError", "CancelledError"}
    assert {row["error"] for row in ERRORS} | told_elsewhere == {
        *(kind.__name__ for kind in ERROR_CLASSES),
        "RuntimeError",
    }


def test_scores_are_the_shortest_that_read_the_same(url_of: Callable[[str], str]) -> None:
    documents = [f"apple {'x ' * i}" for i in range(40)]
    answer = ask_json(url_of("default"), "/v2/rerank", {"query": "apple", "documents": documents})
    written = [part.split(b"}")[0].strip() for part in answer.body.split(b'"relevance_score":')[1:]]
    assert len(written) == 40
    # Nine digits tell any two single-precision numbers apart.
    assert max(len(number.lstrip(b"0.").replace(b".", b"")) for number in written) <= 9


def test_health_tells_apart_alive_and_ready(url_of: Callable[[str], str]) -> None:
    assert ask(url_of("default"), "GET", "/health").status == 200
    assert ask(url_of("default"), "GET", "/health?live=1").json["state"] == "live"
