"""Lines of JSON as they arrive, whatever the parts that they arrive in."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.core.errors import InvalidRequestError, StreamProtocolError
from rerankd.core.stream_events import Chunk, Emit, StreamRequest
from rerankd.core.types import Document, Options
from rerankd.http_api.failures import BodyTooLargeError
from rerankd.http_api.lines import JsonLines

START = b'{"query":"q"}\n'


class Parts:
    """A body in parts; knows how many were taken."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)
        self.taken = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.taken == len(self._parts):
            raise StopAsyncIteration
        self.taken += 1
        return self._parts[self.taken - 1]


def lines_of(*parts: bytes, limit: int = 1000) -> JsonLines:
    return JsonLines(Parts(*parts), limit)


async def read(lines: JsonLines) -> list[Chunk]:
    await lines.start()
    return [chunk async for chunk in lines.chunks()]


def told(chunks: list[Chunk]) -> dict[int, Document]:
    return {i: d for chunk in chunks for i, d in zip(chunk.indexes, chunk.documents, strict=True)}


async def test_the_first_line_is_the_start() -> None:
    start = await lines_of(
        b'\r\n{"query":"q","emit":"STREAM_EMIT_SNAPSHOTS","options":{"topN":3},"snapshotInterval":"1.5s"}'
    ).start()
    assert start == StreamRequest(
        query="q", emit=Emit.SNAPSHOTS, options=Options(top_n=3), snapshot_interval_seconds=1.5
    )


@pytest.mark.parametrize("parts", [(), (b"",), (b" \n\n",)])
async def test_a_body_without_a_line_has_no_start(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(StreamProtocolError, match="ended before its start"):
        await lines_of(*parts).start()


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=12))
async def test_it_does_not_matter_where_parts_are_cut(cuts: list[int]) -> None:
    documents = [{"id": f"é{i}", "text": f"t\N{PILE OF POO}{i}"} for i in range(9)]
    chunk = {"documents": documents[6:8]}
    lines = [{"query": "q"}, *documents[:6], chunk, documents[8]]
    body = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    parts = [body[a:b] for a, b in itertools.pairwise(edges)]
    found = told(await read(lines_of(*parts)))
    assert found == {i: Document(id=d["id"], text=d["text"]) for i, d in enumerate(documents)}


async def test_documents_that_came_together_are_one_chunk() -> None:
    lone = b'{"text":"a"}\n' * 3
    chunks = await read(lines_of(START + lone + b'{"documents":[{"text":"b"}]}\n{"text":"c"}\n', lone))
    assert [len(chunk) for chunk in chunks] == [3, 1, 1, 3]
    many = await read(lines_of(START + b'{"text":"a"}\n' * 600, limit=10_000))
    assert [len(chunk) for chunk in many] == [256, 256, 88]


async def test_no_more_is_read_than_is_asked_for() -> None:
    parts = Parts(START, b'{"text":"a"}\n', b'{"text":"b"}\n')
    lines = JsonLines(parts, 100)
    await lines.start()
    assert parts.taken == 1
    chunks = lines.chunks()
    await anext(chunks)
    assert parts.taken == 2


async def test_callers_may_number_their_documents() -> None:
    given_indexes = b'{"documents":[{"text":"a"},{"text":"b"}],"index":[4,9]}\n{"text":"c"}'
    assert sorted(told(await read(lines_of(START, given_indexes)))) == [4, 9, 10]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2 of the body: the body is not JSON"),
        (b"[]", "line 2 of the body: the body must be a JSON object"),
        (b"{}", r"documents\[0\] has neither text nor fields"),
        (b'{"text":"a","secret":1}', r"documents\[0\].secret is no field"),
        (b'{"documents":[{"text":"a"}],"text":"secret"}', "text is no field of a chunk"),
        (b'{"documents":"secret"}', "documents must be a list"),
        (b'{"documents":["secret"]}', r"documents\[0\] must be an object"),
        (b'{"documents":[{"text":"a"}],"index":[1,2]}', "index has 2 entries for 1 documents"),
        (b'{"documents":[{"text":"a"}],"index":[-1]}', "index -1 comes where 0 is the least"),
        (b'{"documents":[{"text":"a"}],"index":["secret"]}', "index must be a list of whole numbers"),
    ],
)
async def test_lines_that_are_no_documents_are_refused(line: bytes, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        await read(lines_of(START, line))


async def test_the_place_of_a_wrong_document_is_told() -> None:
    with pytest.raises(InvalidRequestError, match=r"documents\[2\] has neither"):
        await read(lines_of(START, b'{"text":"a"}\n{"text":"b"}\n{"id":"x"}\n'))


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_has_a_limit_whether_it_ends_or_not(end: bytes) -> None:
    with pytest.raises(BodyTooLargeError, match="a line has more than 20 bytes"):
        await read(lines_of(START, b'{"text":"', b"a" * 20 + end, limit=20))
