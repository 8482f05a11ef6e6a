"""What strangers could send or leave on the disk: valid pieces, and hypothesis strategies that spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from google.protobuf.duration_pb2 import Duration
from hypothesis import strategies as st

from rerankd.v1 import config_service_pb2 as config_pb
from rerankd.v1 import rerank_service_pb2 as pb

SERVICE = "/rerankd.v1.RerankService/"
CONFIG_SERVICE = "/rerankd.v1.ConfigService/"

_DOCUMENTS = [pb.Document(id="a", text="red river", original_score=0.5), pb.Document(text="salt " * 20)]
_OPTIONS = pb.RerankOptions(top_n=1, return_documents=True, raw_scores=True, min_score=0.1)
_REQUEST = pb.RerankRequest(query="red stone", documents=_DOCUMENTS, options=_OPTIONS)

UNARY_METHODS: dict[str, bytes] = {
    f"{SERVICE}Rerank": _REQUEST.SerializeToString(),
    f"{SERVICE}RerankBatch": pb.RerankBatchRequest(
        requests=[_REQUEST, pb.RerankRequest(query="salt")], shared_documents=_DOCUMENTS
    ).SerializeToString(),
    f"{SERVICE}Status": pb.StatusRequest().SerializeToString(),
    f"{SERVICE}Warmup": pb.WarmupRequest(
        sample_queries=["q"], sample_documents=["d"], timeout=Duration(seconds=5)
    ).SerializeToString(),
    f"{CONFIG_SERVICE}GetRerankingConfig": config_pb.GetRerankingConfigRequest().SerializeToString(),
    f"{CONFIG_SERVICE}UpdateRerankingConfig": b"\x0a\x04\x0a\x02\x08\x01\x12\x06\x0a\x04mode",
}
"""Method to one message that it accepts, or at least reads."""

STREAM_MESSAGES = (
    pb.RerankStreamRequest(start=pb.RerankStreamStart(query="red", options=_OPTIONS)).SerializeToString(),
    pb.RerankStreamRequest(documents=pb.DocumentChunk(documents=_DOCUMENTS)).SerializeToString(),
    pb.RerankStreamRequest(
        documents=pb.DocumentChunk(documents=_DOCUMENTS[:1], index=[7])
    ).SerializeToString(),
)

BODIES: dict[str, object] = {
    "/v2/rerank": {"model": "default", "query": "q", "documents": ["a b", "c"], "top_n": 1},
    "/v1/rerank": {"query": "q", "documents": [{"text": "a"}, "b"], "return_documents": True},
    "/rerank": {"query": "q", "texts": ["a", "b"], "raw_scores": False, "truncate": True},
    "/voyage/v1/rerank": {"query": "q", "documents": ["a"], "top_k": 1, "model": "default"},
    "/api/v1/rerank": {"query": "q", "documents": [{"id": "x", "text": "a"}], "options": {"topN": 1}},
}
STREAM_PATH = "/api/v1/rerank/stream"
STREAM_BODY = b'{"query": "q", "emit": "STREAM_EMIT_SCORES"}\n{"text": "a"}\n{"id": "x", "text": "b"}\n'

TOML = b"""
model = "default"
grpc_port = 0
[models]
allow = ["acme/*"]
aliases = { small = "acme/reranker" }
[limits]
max_documents = 100
[warmup]
mode = "lazy"
timeout_seconds = 3.5
[onnx]
threads = 2
"""
KEYS = b"""
[keys.search]
sha256 = "%s"
scopes = ["rerank"]
models = ["cohere/*", "default"]
tokens_per_minute = 1000
""" % (b"ab" * 32)
STATE = json.dumps({"reranking": {"mode": "none", "snippet_chars": 10}}).encode()
PINS = json.dumps(
    {
        "format": 1,
        "repository": "acme/m",
        "commit": "ab" * 20,
        "license": "MIT",
        "files": {"a.onnx": {"path": "a.onnx", "size": 3, "sha256": "ab" * 32, "git_sha1": ""}},
    }
).encode()

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, ord('"'), ord("{"), ord("\n"))


@st.composite
def spoiled(draw: st.DrawFn, content: bytes, most: int = 4) -> bytes:
    """The content with up to `most` changes: bits, bytes, and pieces that are lost, doubled or foreign."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        length = draw(st.integers(1, 16))
        how = draw(st.integers(0, 6))
        if how == 0 and changed:
            changed[at] ^= 1 << draw(st.integers(0, 7))
        elif how == 1 and changed:
            changed[at] = draw(st.sampled_from(_INTERESTING))
        elif how == 2:
            del changed[at : at + length]
        elif how == 3:
            changed[at:at] = changed[at : at + length] * draw(st.integers(1, 50))
        elif how == 4:
            changed[at:at] = draw(st.binary(max_size=8))
        elif how == 5:
            del changed[at:]
        else:
            other = draw(st.integers(0, max(0, len(changed) - 1)))
            changed[at : at + length] = changed[other : other + length]
    return bytes(changed)


def spoiled_one_of(contents: Sequence[bytes], most: int = 4) -> st.SearchStrategy[bytes]:
    """Any of them, spoiled, or bytes that have nothing to do with them."""
    return st.one_of(st.binary(max_size=64), *(spoiled(content, most) for content in contents))


grpc_calls = st.sampled_from([*UNARY_METHODS]).flatmap(
    lambda method: st.tuples(st.just(method), st.binary(max_size=64) | spoiled(UNARY_METHODS[method]))
)
grpc_streams = st.lists(
    st.sampled_from(STREAM_MESSAGES) | spoiled_one_of(STREAM_MESSAGES, most=2), min_size=1, max_size=4
)

_words = st.sampled_from(["query", "documents", "texts", "top_n", "model", "config", "options", "text", "x"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words | st.text(max_size=4), inner),
    max_leaves=6,
)


def json_mutations(value: object) -> st.SearchStrategy[object]:
    """The value with one of its parts exchanged, at any depth, for any JSON."""
    if isinstance(value, dict) and value:
        return _json | st.sampled_from([*value]).flatmap(
            lambda key: json_mutations(value[key]).map(lambda new: {**value, key: new})
        )
    if isinstance(value, list) and value:
        return _json | st.integers(0, len(value) - 1).flatmap(
            lambda at: json_mutations(value[at]).map(lambda new: [*value[:at], new, *value[at + 1 :]])
        )
    return _json


def _body_of(path: str) -> st.SearchStrategy[bytes]:
    valid = BODIES[path]
    # surrogatepass: half of a pair, as JSON can spell and UTF-8 cannot.
    encoded: Callable[[object], bytes] = lambda new: json.dumps(new).encode("utf-8", "surrogatepass")  # noqa: E731
    return json_mutations(valid).map(encoded) | spoiled(json.dumps(valid).encode())


http_bodies = st.sampled_from([*BODIES]).flatmap(lambda path: st.tuples(st.just(path), _body_of(path)))


def _raw(path: str, body: bytes, *, chunked: bool) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    if not chunked:
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    middle = len(body) // 2
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:middle], body[middle:], b""))
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + pieces


_RAW_REQUESTS = [
    *(_raw(path, json.dumps(body).encode(), chunked=False) for path, body in BODIES.items()),
    _raw(STREAM_PATH, STREAM_BODY, chunked=True),
    _raw("/rerank", json.dumps(BODIES["/rerank"]).encode(), chunked=True),
    b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-request-id: abc\r\n\r\n",
]
http_requests = spoiled_one_of(_RAW_REQUESTS)
texts = (
    st.text() | st.text(alphabet=st.characters(codec=None)) | st.text("ab \u0300\u200d\ufeff", max_size=3000)
)
