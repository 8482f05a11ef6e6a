"""The document: every route with its bodies and statuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import rerankd
from rerankd.core.errors import ERROR_CLASSES, LEARNING_ERRORS, CancelledError, RerankdError
from rerankd.core.limits import Limits
from rerankd.http_api.dialects.choice import UNDECIDED
from rerankd.http_api.dialects.cohere import COHERE
from rerankd.http_api.dialects.dialect import Dialect
from rerankd.http_api.dialects.jina import JINA
from rerankd.http_api.dialects.kreuzberg import KREUZBERG
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.dialects.tei import TEI
from rerankd.http_api.dialects.voyage import VOYAGE
from rerankd.http_api.failures import (
    BodyTooLargeError,
    BodyTooSlowError,
    NoDocumentsError,
    UnsupportedMediaError,
)
from rerankd.http_api.json_text import EVENTS, LINES, MEDIA_TYPE, Json
from rerankd.http_api.openapi.answers import answer_schemas, errors_of_rerank, rankings_of_rerank
from rerankd.http_api.openapi.messages import message_schemas
from rerankd.http_api.openapi.requests import request_schemas
from rerankd.http_api.openapi.schemas import TEXT, Schema, reference

# Nobody is left to hear of a call that its caller ended.
_HEARD = (
    *(kind for kind in ERROR_CLASSES if kind not in (CancelledError, *LEARNING_ERRORS)),
    NoDocumentsError,
    BodyTooLargeError,
    BodyTooSlowError,
    UnsupportedMediaError,
)
_HEADERS: Json = {"x-request-id": {"description": "The caller's own, or one that was made.", "schema": TEXT}}
_DESCRIPTION = """Reranks the candidates of a search by how well each answers the query.

Every call that ranks takes two headers. `x-request-id` names the call, in 1 to 128 visible ASCII
characters; another one is replaced, and every answer brings it. `x-request-timeout-ms` says how many
milliseconds the caller waits, 1 to 86,400,000; after them the answer is 504.

Numbers are finite, texts are whole UTF-8, an object names each key once, and null is the same as leaving a
field out. An answer with 429 or 503 tells in `retry-after` and `retry-after-ms` when to come back."""


def document(limits: Limits, extra_paths: Mapping[str, Json] | None = None) -> Json:
    """The OpenAPI document of a server with these limits; `extra_paths` are those of other rooms."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rerankd",
            "version": rerankd.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": _merged({**_rerank_paths(), **_pages()}, extra_paths or {}),
        "components": {
            "schemas": {**request_schemas(limits), **answer_schemas(), **message_schemas(limits)},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        # A server without keys takes any call, with a key or without one.
        "security": [{}, {"key": []}],
    }


def statuses_of(dialects: Iterable[Dialect]) -> dict[int, list[str]]:
    """Every status by which these dialects fail, with the reasons that it stands for."""
    told: dict[int, dict[str, None]] = {}
    for dialect in dialects:
        for kind in _HEARD:
            error: RerankdError = kind("")
            told.setdefault(dialect.status(error), {})[error.spec.reason] = None
    return {status: list(reasons) for status, reasons in sorted(told.items())}


def _merged(paths: Mapping[str, Json], others: Mapping[str, Json]) -> dict[str, Json]:
    """All paths; one that both have answers to the methods of both."""
    merged = dict(paths)
    for path, item in others.items():
        known = merged.get(path)
        merged[path] = {**known, **item} if isinstance(known, dict) and isinstance(item, dict) else item
    return merged


def _rerank_paths() -> dict[str, Json]:
    choice: Schema = {
        "anyOf": [reference(name) for name in ("TeiRequest", "KreuzbergRequest", "JinaRequest")]
    }
    several = (UNDECIDED, TEI, JINA, KREUZBERG)
    paths: dict[str, Json] = {
        "/v2/rerank": _rerank("Cohere v2", (COHERE,), "Cohere"),
        "/v1/rerank": _rerank("Jina, Cohere v1 and what is like them", (JINA,), "Jina"),
        "/voyage/v1/rerank": _rerank("Voyage", (VOYAGE,), "Voyage"),
        "/api/v1/rerank": _native("rerank_native", "Protobuf JSON of rerankd.v1", "Rerank"),
        "/api/v1/rerank/batch": _native(
            "rerank_batch", "Several requests, each with its own result or error", "RerankBatch"
        ),
        "/api/v1/rerank/stream": _stream(),
    }
    for path, name in (("/rerank", "rerank"), ("/", "rerank_root"), ("/invocations", "rerank_invocations")):
        paths[path] = {
            "post": _operation(
                name,
                "TEI with `texts`, kreuzberg with `config`, else as /v1/rerank",
                {MEDIA_TYPE: choice},
                {MEDIA_TYPE: rankings_of_rerank()},
                failures(several, errors_of_rerank()),
            )
        }
    return paths


def _rerank(summary: str, dialects: tuple[Dialect, ...], name: str) -> Json:
    return {
        "post": _operation(
            f"rerank_{name.lower()}",
            summary,
            {MEDIA_TYPE: reference(f"{name}Request")},
            {MEDIA_TYPE: reference(f"{name}Ranking")},
            failures(dialects, reference(f"{name}Error")),
        )
    }


def _native(name: str, summary: str, message: str) -> Json:
    return {
        "post": _operation(
            name,
            summary,
            {MEDIA_TYPE: reference(f"{message}Request.input")},
            {MEDIA_TYPE: reference(f"{message}Response")},
            failures((NATIVE,), reference("NativeError")),
        )
    }


def _stream() -> Json:
    body = {
        **TEXT,
        "description": "Lines of JSON: first a RerankStreamStart, then a Document or DocumentChunk in each.",
    }
    answer = {
        **TEXT,
        "description": "Lines of JSON, each a RerankStreamResponse; the last is `summary`, or `error`.",
    }
    return {
        "post": _operation(
            "rerank_stream",
            "Sets of any size: answers while documents still arrive",
            {LINES: body},
            {LINES: answer, EVENTS: answer},
            failures((NATIVE,), reference("NativeError")),
        )
    }


def _operation(
    name: str,
    summary: str,
    bodies: Mapping[str, Schema],
    answers: Mapping[str, Schema],
    failures: Mapping[str, Json],
) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["rerank"],
        "requestBody": {"required": True, "content": _content(bodies)},
        "responses": {"200": response_of("A ranking.", answers), **failures},
    }


def failures(dialects: tuple[Dialect, ...], schema: Schema) -> dict[str, Json]:
    """Every status by which these dialects fail, as responses."""
    return {
        str(status): response_of(f"{', '.join(reasons)}.", {MEDIA_TYPE: schema})
        for status, reasons in statuses_of(dialects).items()
    }


def _pages() -> dict[str, Json]:
    health = {
        "200": _page("Takes traffic.", "Health"),
        "503": _page("Starts, or goes down.", "Health"),
    }
    live: Json = {
        "name": "live",
        "in": "query",
        "description": "1 or true: only whether the process answers.",
        "schema": TEXT,
    }
    models: Json = {"200": _page("Every name that a request can use.", "Models")}
    metrics: Json = {"200": response_of("For Prometheus.", {"text/plain": TEXT})}
    own: Json = {"200": response_of("This document.", {MEDIA_TYPE: {"type": "object"}})}
    return {
        "/health": _get("health", "Whether the server takes traffic", dict(health), [live]),
        "/health/live": _get("health_live", "Whether the process answers", {"200": health["200"]}),
        "/ping": _get("ping", "As /health", dict(health)),
        "/metrics": _get("metrics", "Metrics", metrics),
        "/v1/models": _get("models", "Models", models),
        "/models": _get("models_plain", "As /v1/models", models),
        "/info": _get("info", "The default model and the limits, as TEI", {"200": _page("Facts.", "Info")}),
        "/api/v1/status": _get("status", "State", {"200": _page("As the Status RPC.", "StatusResponse")}),
        "/openapi.json": _get("openapi", "This document", own),
    }


def _get(name: str, summary: str, responses: Json, parameters: list[Json] | None = None) -> Json:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": ["state"],
            "parameters": parameters or [],
            "responses": responses,
        }
    }


def _page(description: str, name: str) -> Json:
    return response_of(description, {MEDIA_TYPE: reference(name)})


def response_of(description: str, contents: Mapping[str, Schema]) -> Json:
    """An answer, with what each one has."""
    return {"description": description, "headers": _HEADERS, "content": _content(contents)}


def _content(schemas: Mapping[str, Schema]) -> Json:
    return {media: {"schema": schema} for media, schema in schemas.items()}
