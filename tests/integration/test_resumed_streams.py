"""What a client needs to go on with an interrupted stream: chunks that tell everything, own indexes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from support.fake_backend import NAN_WORD, FakeBackend
from support.servers import FakeServer, fake_config, serving
from support.statuses import failure_of

from rerankd.v1 import rerank_service_pb2 as pb

TEXTS = ["alpha beta", "beta", "gamma", "alpha gamma " + "long " * 80, "alpha", "", "beta"]


def start(**options: object) -> pb.RerankStreamRequest:
    wanted = pb.RerankOptions(**options)  # type: ignore[arg-type]
    return pb.RerankStreamRequest(
        start=pb.RerankStreamStart(query="alpha", options=wanted, emit=pb.STREAM_EMIT_SCORES)
    )


def chunk(texts: Sequence[str], indexes: Sequence[int] = ()) -> pb.RerankStreamRequest:
    documents = [pb.Document(id=f"id {text[:5]}", text=text) for text in texts]
    return pb.RerankStreamRequest(documents=pb.DocumentChunk(documents=documents, index=indexes))


async def answers(
    server: FakeServer, *messages: pb.RerankStreamRequest
) -> tuple[list[pb.ScoreChunk], pb.RerankResponse]:
    received = [message async for message in server.stub.RerankStream(iter(messages))]
    return [message.scores for message in received[:-1]], received[-1].summary


def columns(chunks: Sequence[pb.ScoreChunk]) -> dict[int, tuple[float, float, int]]:
    rows = {}
    for scores in chunks:
        dropped = scores.dropped_tokens or [0] * len(scores.index)
        for index, *row in zip(scores.index, scores.score, scores.logit, dropped, strict=True):
            assert index not in rows
            rows[index] = tuple(row)
    return rows


def as_float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


async def test_score_chunks_tell_as_much_as_the_summary() -> None:
    # The second chunk of documents is only read once the scores of the first are sent.
    async with serving(fake_config(limits={"stream_window_documents": 2})) as server:
        chunks, summary = await answers(server, start(), chunk(TEXTS[:4]), chunk(TEXTS[4:]))
    assert len(chunks) > 1
    assert columns(chunks) == {
        r.index: (as_float32(r.score), as_float32(r.logit), r.dropped_tokens) for r in summary.results
    }
    assert columns(chunks)[3][2] > 0
    assert chunks[0].model == summary.model
    assert not any(scores.HasField("model") for scores in chunks[1:])
    assert not any(scores.passages for scores in chunks)


async def test_score_chunks_bring_the_best_passages(fake_server: FakeServer) -> None:
    long = " ".join(["filler"] * 100 + ["alpha"] + ["filler"] * 20)
    wanted = start(long_document=pb.LONG_DOCUMENT_BEST_PASSAGE)
    chunks, summary = await answers(fake_server, wanted, chunk(["alpha", long]))
    passages = {
        index: (passage.start_char, passage.end_char)
        for scores in chunks
        for index, passage in zip(scores.index, scores.passages, strict=True)
    }
    assert passages == {r.index: (r.passage.start_char, r.passage.end_char) for r in summary.results}
    begin, end = passages[1]
    assert begin > 0
    assert "alpha" in long[begin:end]


async def test_documents_keep_the_indexes_that_the_caller_gives_them(fake_server: FakeServer) -> None:
    chunks, summary = await answers(
        fake_server,
        start(),
        chunk(TEXTS[:3], [2, 5, 7]),
        chunk(TEXTS[3:5]),
        chunk(TEXTS[5:], [40, 2**31 - 1]),
    )
    wanted = [2, 5, 7, 8, 9, 40, 2**31 - 1]
    assert sorted(columns(chunks)) == wanted
    assert {r.index: r.id for r in summary.results} == dict(
        zip(wanted, (f"id {text[:5]}" for text in TEXTS), strict=True)
    )
    # Equal texts have equal scores: the lower index comes first.
    equal = [r.index for r in summary.results if r.id == "id beta"]
    assert equal == [5, 2**31 - 1]


async def test_max_scored_documents_counts_documents_and_not_indexes(fake_server: FakeServer) -> None:
    wanted = start(max_scored_documents=2)
    _, summary = await answers(fake_server, wanted, chunk(TEXTS[:4], [10, 20, 30, 40]))
    assert sorted(r.index for r in summary.results if r.scored) == [10, 20]
    assert [r.index for r in summary.results if not r.scored] == [30, 40]


async def test_a_failure_in_original_order_keeps_the_callers_indexes() -> None:
    async with serving(backend=FakeBackend()) as server:
        wanted = start(on_failure=pb.FAILURE_MODE_ORIGINAL_ORDER)
        _, summary = await answers(server, wanted, chunk(["a", NAN_WORD, "b"], [3, 4, 9]))
    assert summary.outcome == pb.OUTCOME_PASSTHROUGH
    assert [r.index for r in summary.results] == [3, 4, 9]


@pytest.mark.parametrize(
    ("indexes", "message"),
    [
        ([1], "index has 1 entries for 2 documents"),
        ([1, 2, 3], "index has 3 entries for 2 documents"),
        ([5, 5], "index 5 comes where 6 is the least allowed"),
        ([6, 5], "index 5 comes where 7 is the least allowed"),
        ([-1, 5], "index -1 comes where 1 is the least allowed"),
        ([0, 5], "index 0 comes where 1 is the least allowed"),
    ],
)
async def test_wrong_indexes_are_refused(fake_server: FakeServer, indexes: list[int], message: str) -> None:
    messages = [start(), chunk(["first"]), chunk(["a", "b"], indexes)]
    failure = await failure_of(fake_server.stub.RerankStream(iter(messages)))
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert message in failure.message
    assert failure.field == "index"


@pytest.mark.parametrize(
    ("document", "code", "field"),
    [
        (pb.Document(), "INVALID_ARGUMENT", "documents[31]"),
        (
            pb.Document(text="x", original_score=float("nan")),
            "INVALID_ARGUMENT",
            "documents[31].original_score",
        ),
        (pb.Document(text=NAN_WORD), "INTERNAL", "documents[31]"),
    ],
)
async def test_errors_name_documents_by_the_callers_indexes(
    document: pb.Document, code: str, field: str
) -> None:
    async with serving(fake_config(), FakeBackend()) as server:
        second = pb.DocumentChunk(documents=[pb.Document(text="b"), document], index=[30, 31])
        messages = [start(), chunk(["a"], [17]), pb.RerankStreamRequest(documents=second)]
        failure = await failure_of(server.stub.RerankStream(iter(messages)))
    assert failure.code == code
    assert field in failure.message
    assert failure.info.metadata["index"] == "31"
