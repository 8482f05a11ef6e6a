"""What no client would send: any body at all is answered with a status that is its sender's doing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_calls import AsgiCalls, asgi_calls
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.http_server import HttpAnswer

PATHS = ("/v2/rerank", "/v1/rerank", "/rerank", "/voyage/v1/rerank", "/api/v1/rerank")
STREAM = "/api/v1/rerank/stream"
NAMES = (
    *("model", "query", "documents", "texts", "top_n", "top_k", "topN", "options", "return_documents"),
    *("return_text", "raw_scores", "truncate", "truncation", "truncation_direction", "max_tokens_per_doc"),
    *("relevant_spans", "rank_fields", "priority", "config", "use_activation", "start", "document", "fields"),
    *("text", "id", "originalScore", "mode", "type", "name", "model_id", "llm", "longDocument"),
)
SETTINGS = settings(
    deadline=None,
    derandomize=True,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DEEP = b'{"query": "q", "documents": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DEEP_DOCUMENT = b'{"query": "q", "documents": [' + b'{"text":' * 2_000 + b"1" + b"}" * 2_000 + b"]}"
LONG_NUMBER = b'{"query": "q", "documents": ["a"], "top_n": ' + b"9" * 5_000 + b"}"

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "a b", "default", "enabled", "Left", "preset", "LONG_DOCUMENT_REJECT", "1"])
)
keys = st.sampled_from(NAMES) | st.text(max_size=5)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
texts = st.lists(st.text(max_size=12), min_size=1, max_size=5)
objects = st.lists(
    st.fixed_dictionaries({"text": st.text(max_size=9)}, optional={"id": st.text(max_size=4)}), min_size=1
)
queries = st.text(min_size=1, max_size=10)
counts = st.none() | st.integers(0, 9)
flags = st.none() | st.booleans()
models = st.sampled_from([None, "", "default", "test/fake"])
jina = st.fixed_dictionaries(
    {"query": queries, "documents": texts | objects},
    optional={"model": models, "top_n": counts, "return_documents": flags},
)
tei = st.fixed_dictionaries(
    {"query": queries, "texts": texts},
    optional={"truncate": flags, "raw_scores": flags, "return_text": flags, "top_n": counts},
)
kreuzberg = st.fixed_dictionaries(
    {"query": queries, "documents": texts, "config": st.fixed_dictionaries({}, optional={"top_k": counts})}
)
VALID: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "/v2/rerank": st.fixed_dictionaries(
        {"query": queries, "documents": texts},
        optional={"model": models, "top_n": counts, "max_tokens_per_doc": counts, "priority": counts},
    ),
    "/v1/rerank": jina,
    "/rerank": jina | tei | kreuzberg,
    "/voyage/v1/rerank": st.fixed_dictionaries(
        {"query": queries, "documents": texts},
        optional={"model": models, "top_k": counts, "return_documents": flags},
    ),
    "/api/v1/rerank": st.fixed_dictionaries(
        {"query": queries, "documents": objects},
        optional={"options": st.fixed_dictionaries({}, optional={"topN": counts, "rawScores": flags})},
    ),
}

good_lines = st.lists(st.fixed_dictionaries({"text": st.text(max_size=9)}).map(json.dumps), max_size=5)
odd_lines = values.map(json.dumps) | st.sampled_from(
    ["", "null", "{", "[]", "\x00", '{"documents": [{"text": "a"}]}']
)
lines = good_lines | st.builds(lambda good, odd: [*good, odd], good_lines, odd_lines)


def twists(body: dict[str, Any]) -> st.SearchStrategy[tuple[str, Any] | None]:
    """Nothing, or one thing to change: what is wrong in two places is refused for the first."""
    return st.none() | st.tuples(st.sampled_from([*body]) | st.sampled_from(NAMES) | keys, values)


headers = st.lists(
    st.sampled_from(
        [
            (b"content-type", b"application/json"),
            (b"content-type", b"application/json; charset=\xff"),
            (b"content-type", b";"),
            (b"content-type", b"application/x-ndjson"),
            (b"content-encoding", b"gzip"),
            (b"content-length", b"-1"),
            (b"accept", b"text/event-stream"),
            (b"authorization", b"Bearer"),
            (b"authorization", b"\xe9"),
            (b"x-request-id", b"\xff\x00"),
            (b"x-request-id", b""),
            (b"x-request-timeout-ms", b"60000"),
            (b"x-request-timeout-ms", b"soon"),
            (b"x-request-timeout-ms", b"-5"),
            (b"x-request-timeout-ms", b"1e5"),
            (b"x-request-timeout-ms", b"9" * 400),
            (b"x-request-timeout-ms", b"\xb2"),
        ]
    )
    | st.tuples(st.sampled_from([b"x-request-id", b"content-type", b"x-other"]), st.binary(max_size=12)),
    max_size=3,
)


@pytest.fixture(scope="module")
def app() -> Iterator[AsgiCalls]:
    with asgi_calls() as calls:
        yield calls


def check_civil(answer: HttpAnswer) -> None:
    """Asserts what holds for every answer to a call that is not the server's fault."""
    assert answer.status < 500, answer.body[:500]
    assert answer.headers["x-request-id"].isascii()
    assert b"Traceback" not in answer.body
    assert b".py" not in answer.body
    if answer.status != 200:
        assert isinstance(answer.json, dict), answer.body[:500]


def check_ranking(sent: Any, answer: HttpAnswer) -> None:
    """Asserts that a 200 ranks what was sent."""
    told = answer.json
    results = told if isinstance(told, list) else told.get("results", told.get("data", []))
    sent_documents = sent["texts"] if isinstance(told, list) else sent["documents"]
    indexes = [result.get("index", 0) for result in results]
    assert len(set(indexes)) == len(indexes)
    assert set(indexes) <= set(range(len(sent_documents)))
    scores = [result.get("relevance_score", result.get("score", 0.0)) for result in results]
    assert scores == sorted(scores, reverse=True)


@SETTINGS
@pytest.mark.parametrize("path", PATHS)
@given(data=st.data())
def test_any_object_is_ranked_or_refused(app: AsgiCalls, path: str, data: st.DataObject) -> None:
    body = data.draw(VALID[path])
    twist = data.draw(twists(body))
    if twist:
        body = {**body, twist[0]: twist[1]}
    answer = app.ask("POST", path, parts=[json.dumps(body).encode()])
    check_civil(answer)
    if answer.status == 200:
        check_ranking(body, answer)
    else:
        assert twist, answer.body


@SETTINGS
@pytest.mark.parametrize("path", PATHS)
@given(
    parts=st.lists(st.binary(max_size=20) | st.sampled_from([b"{", b'"query":', b"[1]", b"}"]), max_size=5)
)
@example(parts=[DEEP])
@example(parts=[DEEP_DOCUMENT])
@example(parts=[LONG_NUMBER])
@example(parts=[b'{"query": "q", "documents": ["a"], "top_n": 1e999}'])
@example(parts=[b'{"query": "\\ud800", "documents": ["a"]}'])
@example(parts=["\ufeff{}".encode()])
def test_any_bytes_are_refused(app: AsgiCalls, path: str, parts: list[bytes]) -> None:
    answer = app.ask("POST", path, parts=parts)
    check_civil(answer)
    assert answer.status >= 400 or parts == [LONG_NUMBER]


@SETTINGS
@pytest.mark.parametrize("path", [*PATHS, STREAM])
@given(sent=headers)
def test_any_headers_are_lived_with(app: AsgiCalls, path: str, sent: list[tuple[bytes, bytes]]) -> None:
    body = b'{"query": "q", "documents": ["a"]}' if path != STREAM else b'{"query": "q"}\n{"text": "a"}\n'
    check_civil(app.ask("POST", path, sent, [body]))


@SETTINGS
@given(rest=lines, events=st.booleans())
@example(rest=['{"text": "a"}', "{"], events=False)
def test_any_lines_are_streamed_or_refused(app: AsgiCalls, rest: list[str], events: bool) -> None:
    sent = [f"{line}\n".encode() for line in ['{"query": "q", "emit": "STREAM_EMIT_SCORES"}', *rest]]
    answer = app.ask("POST", STREAM, [(b"accept", b"text/event-stream")] if events else [], sent)
    if answer.status == 200:
        told = answer.body.split(b"\n")
        values = [json.loads(line.removeprefix(b"data: ")) for line in told if b"{" in line]
        # It ends in the ranking, or says why it does not.
        assert ("summary" in values[-1]) != ("error" in values[-1]), values
    else:
        check_civil(answer)


@SETTINGS
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"]),
    path=st.sampled_from([*PATHS, STREAM, "/health", "/info", "/nowhere"]) | st.text(max_size=9),
)
def test_any_method_on_any_path_is_civil(app: AsgiCalls, method: str, path: str) -> None:
    answer = app.ask(method, f"/{path.lstrip('/')}")
    assert answer.status < 500
    assert answer.headers["x-request-id"]
