from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.client import InvalidRequestError, MessageTooLargeError, TooManyDocumentsError, rerank_request
from rerankd.client._limits import Chunker, ServerLimits, UnaryBudget, check_fits_chunk
from rerankd.client._requests import document_message
from rerankd.v1 import rerank_service_pb2 as pb

DOCUMENTS = st.lists(
    st.one_of(
        st.text(max_size=300),
        st.fixed_dictionaries({"id": st.text(max_size=20), "text": st.text(max_size=200)}),
        st.fixed_dictionaries(
            {"fields": st.dictionaries(st.text(max_size=5), st.text(max_size=50), max_size=3)}
        ),
    ),
    max_size=60,
)


def chunks_of(documents: list[pb.Document], **chunker: object) -> list[pb.DocumentChunk]:
    packing = Chunker(**chunker)  # type: ignore[arg-type]
    messages = [message for entry in enumerate(documents, start=7) for message in packing.add(*entry)]
    return [message.documents for message in [*messages, *packing.flush()]]


def messages_of(documents: list[object]) -> list[pb.Document]:
    return [document_message(document, 0) for document in documents]  # type: ignore[arg-type]


@given(DOCUMENTS, st.integers(1, 20), st.integers(1500, 5000), st.booleans())
def test_chunks_lose_nothing_keep_the_order_and_fit(
    documents: list[object], max_documents: int, max_bytes: int, indexed: bool
) -> None:
    wanted = messages_of(documents)
    chunks = chunks_of(wanted, max_documents=max_documents, max_bytes=max_bytes, indexed=indexed)
    assert [document for chunk in chunks for document in chunk.documents] == wanted
    indexes = [index for chunk in chunks for index in chunk.index]
    assert indexes == (list(range(7, 7 + len(wanted))) if indexed else [])
    assert all(1 <= len(chunk.documents) <= max_documents for chunk in chunks)
    assert all(chunk.ByteSize() <= max_bytes for chunk in chunks)


@given(DOCUMENTS, st.integers(1, 20), st.integers(1500, 5000))
def test_no_two_neighbouring_chunks_would_fit_into_one(
    documents: list[object], max_documents: int, max_bytes: int
) -> None:
    chunks = chunks_of(messages_of(documents), max_documents=max_documents, max_bytes=max_bytes)
    for chunk, following in itertools.pairwise(chunks):
        both = [*chunk.documents, following.documents[0]]
        largest = pb.DocumentChunk(documents=both, index=[2**31 - 1] * len(both))
        assert len(both) > max_documents or largest.ByteSize() > max_bytes - 2 * len(both)


def test_a_full_chunk_is_sent_at_once() -> None:
    chunker = Chunker(max_documents=1, max_bytes=1000)
    assert len(list(chunker.add(0, pb.Document(text="a")))) == 1
    assert not list(chunker.flush())


def test_a_document_that_fits_a_chunk_fits_one_with_the_largest_index_too() -> None:
    document = pb.Document(text="x" * 100)
    largest = pb.DocumentChunk(documents=[document], index=[2**31 - 1]).ByteSize()
    least = next(size for size in itertools.count(1) if _fits(document, size))
    assert largest <= least <= largest + 3
    with pytest.raises(InvalidRequestError, match=r"documents\[3\] has") as caught:
        check_fits_chunk(3, document, least - 1)
    assert caught.value.field_violations[0].field == "documents[3]"


def _fits(document: pb.Document, max_bytes: int) -> bool:
    try:
        check_fits_chunk(0, document, max_bytes)
    except InvalidRequestError:
        return False
    return True


def test_limits_come_from_status_and_missing_ones_keep_their_default() -> None:
    limits = ServerLimits.from_status(pb.Limits(max_documents=10, max_chunk_bytes=2048))
    assert limits == ServerLimits(max_documents=10, max_chunk_bytes=2048)


def test_what_the_server_would_refuse_is_refused_here() -> None:
    limits = ServerLimits(max_documents=2, max_receive_bytes=100)
    limits.check(rerank_request("q", ["a", "b"]))
    with pytest.raises(TooManyDocumentsError) as many:
        limits.check(rerank_request("q", ["a", "b", "c"]))
    assert (many.value.reason, many.value.metadata["limit"]) == ("TOO_MANY_DOCUMENTS", "2")
    with pytest.raises(MessageTooLargeError, match="the limit is 100"):
        limits.check(rerank_request("q", ["a" * 200]))
    with pytest.raises(MessageTooLargeError):
        limits.check(pb.RerankBatchRequest(requests=[rerank_request("q", ["a" * 200])]))


@given(st.lists(st.text(max_size=40_000), max_size=12))
def test_a_set_inside_the_budget_fits_one_message(texts: list[str]) -> None:
    limits = ServerLimits(max_documents=10, max_receive_bytes=200_000)
    budget = UnaryBudget(limits)
    fits = [budget.take(pb.Document(text=text)) for text in texts]
    if all(fits):
        assert limits.admits(rerank_request("q" * 8192, texts, instruction="i" * 8192))
    else:
        assert len(texts) > 10 or sum(len(text.encode()) for text in texts) > 100_000
