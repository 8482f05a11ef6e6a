"""Every error through the real gRPC door, and bad input that must not hurt the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from google.protobuf.internal.encoder import _VarintBytes
from support.fake_backend import KILL_WORD, NAN_WORD, RAISE_WORD, FakeBackend
from support.servers import FakeServer, fake_config, fake_engine, serving
from support.statuses import Failure, failure_of

from rerankd.core.engine import ANYONE, Engine, Request
from rerankd.core.errors import ERROR_CLASSES, RerankdError
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.stream_events import Chunk, StreamEvent, StreamRequest
from rerankd.core.types import Caller, Ranking
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.error_reason_pb2 import ErrorReason

SECRET = "the document's secret text"


class FaultyEngine(Engine):
    """Raises what it is told to, in place of ranking."""

    fault: Exception

    async def _rerank(self, request: Request, caller: Caller, policy: RerankingPolicy) -> Ranking:
        raise self.fault

    async def rerank_stream(
        self, request: StreamRequest, chunks: AsyncIterator[Chunk], caller: Caller = ANYONE
    ) -> AsyncIterator[StreamEvent | Ranking]:
        async for _ in chunks:
            raise self.fault
        yield Ranking  # type: ignore[misc] # never reached: it makes this a generator


def faulty(fault: Exception) -> FaultyEngine:
    engine = fake_engine(FakeBackend(), fake_config())
    broken = FaultyEngine(engine.registry, engine.limits)
    broken.fault = fault
    return broken


def request(query: str = "q", *texts: str, **options: object) -> pb.RerankRequest:
    documents = [pb.Document(text=text) for text in texts or ("a q", "b")]
    return pb.RerankRequest(query=query, documents=documents, options=pb.RerankOptions(**options))  # type: ignore[arg-type]


def start(query: str = "q", **options: object) -> pb.RerankStreamRequest:
    return pb.RerankStreamRequest(
        start=pb.RerankStreamStart(query=query, options=pb.RerankOptions(**options))  # type: ignore[arg-type]
    )


def chunk(*texts: str) -> pb.RerankStreamRequest:
    return pb.RerankStreamRequest(
        documents=pb.DocumentChunk(documents=[pb.Document(text=text) for text in texts])
    )


async def assert_alive(server: FakeServer) -> None:
    response = await server.stub.Rerank(request("q", "b", "a q"))
    assert [result.index for result in response.results] == [1, 0]


@pytest.mark.parametrize("door", ["unary", "stream"])
@pytest.mark.parametrize("kind", ERROR_CLASSES, ids=lambda kind: kind.__name__)
async def test_every_error_has_its_row_on_the_wire(kind: type[RerankdError], door: str) -> None:
    spec = kind.spec
    fault = kind(
        "what happened; what to do",
        metadata={"limit": "7", "model": "m"},
        field="documents[3].text",
        retry_after_seconds=1.5 if spec.retryable else None,
    )
    async with serving(engine=faulty(fault)) as server:
        call = (
            server.stub.Rerank(request("q", SECRET))
            if door == "unary"
            else server.stub.RerankStream(iter([start(), chunk(SECRET)]))
        )
        failure = await failure_of(call)
    assert failure.code == spec.grpc
    assert failure.message == "what happened; what to do"
    assert failure.reason == spec.reason
    assert failure.info.metadata == {"limit": "7", "model": "m"}
    assert f"ERROR_REASON_{spec.reason}" in [value.name for value in ErrorReason.DESCRIPTOR.values]
    assert failure.field == "documents[3].text"
    assert (failure.resource is not None) == (spec.reason == "MODEL_NOT_FOUND")
    assert (failure.quota is not None) == (spec.reason == "QUOTA_EXCEEDED")
    assert (failure.retry is not None) == spec.retryable
    assert ("grpc-retry-pushback-ms" in failure.trailers) == spec.retryable
    if failure.retry is not None:
        assert failure.retry.retry_delay.ToMilliseconds() == 1500
        assert failure.trailers["grpc-retry-pushback-ms"] == "1500"
    assert failure.trailers["x-request-id"]


@pytest.mark.parametrize("kind", ERROR_CLASSES, ids=lambda kind: kind.__name__)
async def test_every_error_is_told_for_one_request_of_a_batch(kind: type[RerankdError]) -> None:
    async with serving(engine=faulty(kind("what happened"))) as server:
        response = await server.stub.RerankBatch(pb.RerankBatchRequest(requests=[request()]))
    (result,) = response.results
    assert (result.error.reason, result.error.message) == (kind.spec.reason, "what happened")


@pytest.mark.parametrize("door", ["unary", "stream"])
async def test_a_failure_that_nobody_foresaw_tells_nothing_of_its_cause(
    door: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(engine=faulty(RuntimeError(f"/etc/secret {SECRET}"))) as server:
        metadata = (("x-request-id", "find-me"),)
        call = (
            server.stub.Rerank(request(), metadata=metadata)
            if door == "unary"
            else server.stub.RerankStream(iter([start(), chunk("a")]), metadata=metadata)
        )
        failure = await failure_of(call)
    assert (failure.code, failure.reason) == ("INTERNAL", "INTERNAL")
    assert "secret" not in failure.message
    assert failure.trailers["x-request-id"] == "find-me"
    (record,) = [r for r in caplog.records if r.getMessage() == "call failed unexpectedly"]
    assert record.exc_info is not None
    assert "secret" in str(record.exc_info[1])


async def test_huge_details_are_cut_to_what_trailers_carry() -> None:
    fault = ERROR_CLASSES[0]("é" * 5000, metadata={str(i): "ü" * 500 for i in range(40)}, field="x" * 3000)
    async with serving(engine=faulty(fault)) as server:
        failure = await failure_of(server.stub.Rerank(request()))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.message.endswith("…")


def with_enum(field: str) -> Callable[[FakeServer], object]:
    return lambda s: s.stub.Rerank(request("q", "a", **{field: 99}))


def document(**fields: object) -> Callable[[FakeServer], object]:
    return lambda s: s.stub.Rerank(
        pb.RerankRequest(query="q", documents=[pb.Document(text="a"), pb.Document(**fields)])  # type: ignore[arg-type]
    )


def stream(*messages: pb.RerankStreamRequest) -> Callable[[FakeServer], object]:
    return lambda s: s.stub.RerankStream(iter(messages))


def with_emit(emit: int, **fields: object) -> pb.RerankStreamRequest:
    begin = pb.RerankStreamStart(query="q", emit=emit, **fields)  # type: ignore[arg-type]
    return pb.RerankStreamRequest(start=begin)


def warmup(**fields: object) -> Callable[[FakeServer], object]:
    return lambda s: s.stub.Warmup(pb.WarmupRequest(**fields))  # type: ignore[arg-type]


def nested(levels: int) -> bytes:
    """A request whose document has fields in fields, deeper than the generated code lets one write."""

    def message(number: int, body: bytes) -> bytes:
        return bytes([number << 3 | 2]) + _VarintBytes(len(body)) + body

    struct = b""
    for _ in range(levels):
        value = message(5, struct)
        struct = message(1, message(1, b"a") + message(2, value))
    return message(1, b"q") + message(2, message(3, struct))


INVALID = ("INVALID_ARGUMENT", "INVALID_REQUEST")
PROTOCOL = ("INVALID_ARGUMENT", "STREAM_PROTOCOL")
UNKNOWN_MODEL = ("NOT_FOUND", "MODEL_NOT_FOUND")
BACKEND = ("INTERNAL", "BACKEND_FAILED")

# A stream is refused at its last message here: grpc.aio's client forgets the status of a call that
# ends while it still writes.
BAD_INPUT: dict[str, tuple[Callable[[FakeServer], object], str, str, str]] = {
    "empty list": (lambda s: s.stub.Rerank(pb.RerankRequest(query="q")), *INVALID, "documents"),
    "nothing at all": (lambda s: s.stub.Rerank(pb.RerankRequest()), *INVALID, "query"),
    "empty query": (lambda s: s.stub.Rerank(request("")), *INVALID, "query"),
    "long query": (lambda s: s.stub.Rerank(request("q" * 8193)), *INVALID, "query"),
    "unknown long_document": (with_enum("long_document"), *INVALID, "options.long_document"),
    "unknown on_failure": (with_enum("on_failure"), *INVALID, "options.on_failure"),
    "unknown on_deadline": (with_enum("on_deadline"), *INVALID, "options.on_deadline"),
    "unknown priority": (with_enum("priority"), *INVALID, "options.priority"),
    "unknown emit": (stream(with_emit(99)), *INVALID, "emit"),
    "document without content": (document(id="x"), *INVALID, "documents[1]"),
    "document without the fields": (
        lambda s: s.stub.Rerank(pb.RerankRequest(query="q", documents=[fields_document({"n": 1.0})])),
        *INVALID,
        "documents[0].fields",
    ),
    "original score not finite": (
        document(text="x", original_score=float("nan")),
        *INVALID,
        "documents[1].original_score",
    ),
    "10 MB document": (
        document(text="x " * 5_000_000),
        "INVALID_ARGUMENT",
        "DOCUMENT_TOO_LONG",
        "documents[1]",
    ),
    "1,025 documents": (
        lambda s: s.stub.Rerank(request("q", *["a"] * 1025)),
        "INVALID_ARGUMENT",
        "TOO_MANY_DOCUMENTS",
        "documents",
    ),
    "negative top_n": (lambda s: s.stub.Rerank(request("q", "a", top_n=-1)), *INVALID, "options.top_n"),
    "weight out of range": (
        lambda s: s.stub.Rerank(request("q", "a", original_score_weight=1.5)),
        *INVALID,
        "options.original_score_weight",
    ),
    "min_score not finite": (
        lambda s: s.stub.Rerank(request("q", "a", min_score=float("inf"))),
        *INVALID,
        "options.min_score",
    ),
    "instruction for a model without": (
        lambda s: s.stub.Rerank(request("q", "a", instruction="be kind")),
        *INVALID,
        "options.instruction",
    ),
    "model not allowed": (
        lambda s: s.stub.Rerank(request("q", "a", model="someone/else")),
        *UNKNOWN_MODEL,
        "",
    ),
    "model that is a path": (
        lambda s: s.stub.Rerank(request("q", "a", model="../../etc/passwd")),
        *UNKNOWN_MODEL,
        "",
    ),
    "model without a finite score": (
        lambda s: s.stub.Rerank(request("q", "a", "b", f"c {NAN_WORD}")),
        "INTERNAL",
        "NON_FINITE_SCORE",
        "documents[2]",
    ),
    "runtime that raises": (lambda s: s.stub.Rerank(request("q", f"a {RAISE_WORD}")), *BACKEND, ""),
    "lane that dies": (lambda s: s.stub.Rerank(request("q", f"a {KILL_WORD}")), *BACKEND, ""),
    "empty stream": (stream(), *PROTOCOL, "start"),
    "stream without documents": (stream(start()), *INVALID, "documents"),
    "stream of empty chunks": (stream(start(), chunk(), chunk()), *INVALID, "documents"),
    "documents first": (stream(chunk("a")), *PROTOCOL, "start"),
    "two starts": (stream(start(), chunk("a"), start()), *PROTOCOL, "documents"),
    "empty message": (stream(start(), pb.RerankStreamRequest()), *PROTOCOL, "documents"),
    "empty first message": (stream(pb.RerankStreamRequest()), *PROTOCOL, "start"),
    "stream with an empty query": (stream(start("")), *INVALID, "query"),
    "chunk above the limit": (stream(start(), chunk("x" * 2**20)), *INVALID, "documents"),
    "stream document without content": (
        stream(
            start(),
            chunk("a", "b"),
            pb.RerankStreamRequest(documents=pb.DocumentChunk(documents=[pb.Document()])),
        ),
        *INVALID,
        "documents[2]",
    ),
    "snapshots without top_n": (stream(with_emit(pb.STREAM_EMIT_SNAPSHOTS)), *INVALID, "options.top_n"),
    "negative snapshot interval": (
        stream(with_emit(pb.STREAM_EMIT_SNAPSHOTS, snapshot_interval={"seconds": -1})),
        *INVALID,
        "snapshot_interval",
    ),
    "stream of a model not allowed": (stream(start(model="someone/else")), *UNKNOWN_MODEL, ""),
    "stream with a score not finite": (
        stream(start(), chunk("a", f"b {NAN_WORD}")),
        "INTERNAL",
        "NON_FINITE_SCORE",
        "documents[1]",
    ),
    "stream over a lane that dies": (stream(start(), chunk(f"a {KILL_WORD}")), *BACKEND, ""),
    "empty batch": (lambda s: s.stub.RerankBatch(pb.RerankBatchRequest()), *INVALID, "requests"),
    "65 requests": (
        lambda s: s.stub.RerankBatch(pb.RerankBatchRequest(requests=[request()] * 65)),
        *INVALID,
        "requests",
    ),
    "warm-up of a model not allowed": (warmup(model="someone/else"), *UNKNOWN_MODEL, ""),
    "warm-up without time": (warmup(timeout={"seconds": 0}), *INVALID, "timeout"),
    "samples without documents": (warmup(sample_queries=["q"]), *INVALID, "sample_documents"),
    "samples without queries": (warmup(sample_documents=["d"]), *INVALID, "sample_queries"),
}


def fields_document(fields: dict[str, object]) -> pb.Document:
    made = pb.Document()
    made.fields.update(fields)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("case", BAD_INPUT)
# A lane that is killed is what one of these is about.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_bad_input_has_a_reason_and_leaves_the_server_well(fake_server: FakeServer, case: str) -> None:
    call, code, reason, field = BAD_INPUT[case]
    failure: Failure = await failure_of(call(fake_server))  # type: ignore[arg-type]
    assert (failure.code, failure.reason, failure.field) == (code, reason, field)
    if reason == "NON_FINITE_SCORE":
        assert failure.info.metadata["index"] == field.strip("documents[]")
    assert "/secret/path" not in failure.message
    await assert_alive(fake_server)


async def test_a_message_above_the_limit_is_refused_by_grpc_itself(fake_server: FakeServer) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_server.stub.Rerank(request("q", *["x" * 200_000] * 85))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await assert_alive(fake_server)


async def test_a_message_of_a_million_documents_is_refused_at_once(fake_server: FakeServer) -> None:
    failure = await failure_of(
        fake_server.stub.Rerank(pb.RerankRequest(query="q", documents=[pb.Document(text="")] * 1_000_000))
    )
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "TOO_MANY_DOCUMENTS")
    await assert_alive(fake_server)


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", nested(40)], ids=["garbage", "too deep"])
@pytest.mark.parametrize("method", ["Rerank", "RerankStream", "Warmup"])
async def test_bytes_that_are_no_message_are_a_bad_request(
    fake_server: FakeServer, method: str, garbage: bytes
) -> None:
    path = f"/rerankd.v1.RerankService/{method}"
    call = {
        "Rerank": lambda: fake_server.channel.unary_unary(path)(garbage),
        "RerankStream": lambda: fake_server.channel.stream_stream(path)(iter([garbage])),
        "Warmup": lambda: fake_server.channel.unary_stream(path)(garbage),
    }[method]()
    failure = await failure_of(call)
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    await assert_alive(fake_server)


async def test_an_unknown_method_is_unimplemented(fake_server: FakeServer) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_server.channel.unary_unary("/rerankd.v1.RerankService/Nonsense")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await assert_alive(fake_server)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "a\0b\x01\x1f",
        "\N{PILE OF POO}" * 10,
        "x" * 100_000,
        "\u202e\ufeff\N{COMBINING ACUTE ACCENT}",
        " \n\t",
    ],
    ids=["empty", "nul", "controls", "emoji", "100 KB without a space", "marks", "whitespace"],
)
async def test_strange_text_is_scored(fake_server: FakeServer, text: str) -> None:
    response = await fake_server.stub.Rerank(request("q", text, "a q", return_documents=True))
    by_index = {result.index: result for result in response.results}
    assert by_index[0].scored
    assert by_index[0].document.text == text
    assert by_index[0].document.WhichOneof("content") == "text"
    await assert_alive(fake_server)


async def test_a_batch_tells_each_requests_own_error(fake_server: FakeServer) -> None:
    unknown_enum = request("q", "a", long_document=99)
    no_content = pb.RerankRequest(query="q", documents=[pb.Document(id="x")])
    batch = pb.RerankBatchRequest(
        requests=[
            request("q", "b", "a q"),
            unknown_enum,
            no_content,
            request(""),
            request("q", "a", model="x/y"),
            request("q", *["a"] * 1025),
        ]
    )
    response = await fake_server.stub.RerankBatch(batch)
    assert [result.WhichOneof("result") for result in response.results] == ["response", *["error"] * 5]
    assert [result.index for result in response.results[0].response.results] == [1, 0]
    reasons = [result.error.reason for result in response.results[1:]]
    assert reasons == ["INVALID_REQUEST"] * 3 + ["MODEL_NOT_FOUND", "TOO_MANY_DOCUMENTS"]


async def test_a_full_queue_is_refused_with_a_delay() -> None:
    config = fake_config(limits={"max_queued_tokens": 10})
    async with serving(config) as server:
        server.backend.gate.clear()
        first = server.stub.Rerank(request("q", "a " * 20))
        await asyncio.to_thread(server.backend.started.acquire)
        failure = await failure_of(server.stub.Rerank(request("q", "b " * 20)))
        server.backend.gate.set()
        assert len((await first).results) == 1
    assert (failure.code, failure.reason) == ("UNAVAILABLE", "OVERLOADED")
    assert failure.retry is not None


async def test_a_deadline_that_passes_frees_the_queue(fake_server: FakeServer) -> None:
    await assert_alive(fake_server)
    fake_server.backend.gate.clear()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_server.stub.Rerank(request("q", "a", "b"), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    fake_server.backend.gate.set()
    await assert_alive(fake_server)


async def test_on_deadline_partial_answers_in_time(fake_server: FakeServer) -> None:
    await assert_alive(fake_server)
    fake_server.backend.gate.clear()
    partial = pb.DEADLINE_MODE_PARTIAL
    response = await fake_server.stub.Rerank(request("q", "a", "b", on_deadline=partial), timeout=1.0)
    assert response.outcome == pb.OUTCOME_PARTIAL
    assert [result.scored for result in response.results] == [False, False]
