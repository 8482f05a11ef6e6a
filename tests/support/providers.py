"""Cohere, Voyage and Jina on a loopback port: the part of their documented APIs that reranking uses, with
their limits and their faults. Every request is recorded.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.quiet_server import QuietServer

KEY = "key-of-the-account-5f2c"
MODELS = {
    "cohere": ("rerank-v3.5",),
    "voyage": ("rerank-2.5",),
    "jina": ("jina-reranker-v2-base-multilingual", "jina-reranker-v3"),
}
_PATHS = {"cohere": "/v2/rerank", "voyage": "/v1/rerank", "jina": "/v1/rerank"}
_FIELDS = {
    "cohere": {"model", "query", "documents", "top_n", "max_tokens_per_doc", "priority"},
    "voyage": {"model", "query", "documents", "top_k", "return_documents", "truncation"},
    "jina": {"model", "query", "documents", "top_n", "return_documents"},
}
_SEARCH_DOCUMENTS = 100


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it came."""

    path: str
    authorization: str
    body: dict[str, Any]

    @property
    def documents(self) -> list[str]:
        return self.body["documents"]


class Gate:
    """Holds answers until the test lets them go on; `reached` is set when so many are held."""

    def __init__(self, calls: int = 1) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()
        self._missing = calls
        self._lock = threading.Lock()

    def hold(self) -> None:
        with self._lock:
            self._missing -= 1
            if self._missing == 0:
                self.reached.set()
        self.released.wait(30)

    def release(self) -> None:
        self.released.set()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What becomes of one call instead of an answer."""

    status: int = 200
    body: bytes | None = None
    """None = as the provider words such a status."""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    """The connection is closed without a word."""
    results: Sequence[Any] | None = None
    """Sent in place of the results of an otherwise right answer."""


def score_of(query: str, text: str) -> float:
    """The score that every provider here gives, with all digits that a double has."""
    digest = hashlib.sha256(f"{query}\x00{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def tokens_of(query: str, documents: Sequence[str]) -> int:
    """As these providers count: four characters each, the query with each document."""
    return sum((len(query) + len(text)) // 4 + 1 for text in documents)


class FakeProvider:
    """The server; `base_url` is what a client's base URL wants.

    Attributes:
        calls: All requests, in the order in which they came.
        faults: For each coming call what goes wrong; None = nothing.
        standing_fault: What goes wrong with every call that `faults` does not name.
        gate: Where answers wait.
        max_documents: Limit of one call.
        max_tokens: Limit of one call; 0 = none.
    """

    def __init__(self, name: str, *, max_documents: int = 1000, max_tokens: int = 0) -> None:
        self.name = name
        self.max_documents = max_documents
        self.max_tokens = max_tokens or (600_000 if name == "voyage" else 0)
        self.calls: list[Call] = []
        self.faults: deque[Fault | None] = deque()
        self.standing_fault: Fault | None = None
        self.gate: Gate | None = None
        self.lock = threading.Lock()
        provider = self

        class Handler(_Handler):
            def setup(self) -> None:
                self.provider = provider
                super().setup()

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        port = self._server.server_address[1]
        self.base_url = f"http://127.0.0.1:{port}{_PATHS[name].removesuffix('/rerank')}"

    @contextmanager
    def running(self) -> Iterator[FakeProvider]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            if self.gate:
                self.gate.release()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def refuse(self, body: dict[str, Any], path: str, authorization: str) -> tuple[int, str] | None:
        """Status and words for a request that the provider does not take."""
        if path != _PATHS[self.name]:
            return 404, "no such page"
        if authorization != f"Bearer {KEY}":
            return 401, "invalid api token"
        unknown = set(body) - _FIELDS[self.name]
        if unknown:
            return 422, f"unknown field: parameter '{min(unknown)}' is not a valid field"
        if body["model"] not in MODELS[self.name]:
            # Voyage has no 404 for it.
            return (400 if self.name == "voyage" else 404), f"model {body['model']!r} is not supported"
        documents = body["documents"]
        if not documents or any(not isinstance(text, str) for text in documents):
            return 400, "invalid request: list of documents must be a list of strings and not be empty"
        if len(documents) > self.max_documents:
            return 400, f"invalid request: at most {self.max_documents} documents, got {len(documents)}"
        if self.max_tokens and tokens_of(body["query"], documents) > self.max_tokens:
            return 400, f"invalid request: at most {self.max_tokens} tokens"
        if self.name == "voyage" and not all(documents):
            return 400, "documents must not be empty strings"
        return None

    def answer(self, body: dict[str, Any], results: Sequence[Any] | None = None) -> dict[str, Any]:
        """The documented answer."""
        query, documents = body["query"], body["documents"]
        if results is None:
            scored = [(score_of(query, text), index) for index, text in enumerate(documents)]
            results = [{"index": index, "relevance_score": score} for score, index in sorted(scored)[::-1]]
            if self.name == "jina" and body.get("return_documents", True):
                for result in results:
                    result["document"] = {"text": documents[result["index"]]}
        tokens = tokens_of(query, documents)
        if self.name == "cohere":
            searches = -(-len(documents) // _SEARCH_DOCUMENTS)
            meta = {
                "api_version": {"version": "2", "is_experimental": False},
                "billed_units": {"search_units": searches},
                "tokens": {"input_tokens": tokens},
            }
            return {"id": "0d2f", "results": results, "meta": meta}
        data = "data" if self.name == "voyage" else "results"
        return {"object": "list", "model": body["model"], data: results, "usage": {"total_tokens": tokens}}


class _Handler(BaseHTTPRequestHandler):
    provider: FakeProvider
    protocol_version = "HTTP/1.1"
    # Head and body are two packets, and the second would wait for an acknowledgement of the first.
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        provider = self.provider
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        authorization = self.headers.get("Authorization", "")
        with provider.lock:
            provider.calls.append(Call(path=self.path, authorization=authorization, body=body))
            fault = provider.faults.popleft() if provider.faults else provider.standing_fault
            gate = provider.gate
        if gate:
            gate.hold()
        fault = fault or Fault()
        refusal = provider.refuse(body, self.path, authorization)
        if fault.drop:
            self.close_connection = True
        elif fault.body is not None:
            self._send(fault.status, fault.body, fault.headers)
        elif fault.status != 200:
            self._refuse(fault.status, f"the provider's words for {fault.status}", fault.headers)
        elif refusal:
            self._refuse(*refusal)
        else:
            self._send(200, json.dumps(provider.answer(body, fault.results)).encode(), {})

    def _refuse(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        body = {"id": "0d2f", "message": words} if self.provider.name == "cohere" else {"detail": words}
        self._send(status, json.dumps(body).encode(), headers or {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
