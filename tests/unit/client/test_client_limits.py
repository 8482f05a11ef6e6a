from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.client import InvalidRequestError, MessageTooLargeError, TooManyDocumentsError, rerank_request
from rerankd.client._limits import Chunker, ServerLimits, UnaryBudget
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


def chunks_of(chunker: Chunker, documents: list[object]) -> list[pb.DocumentChunk]:
    messages = [message for document in documents for message in chunker.add(document)]
    return [message.documents for message in [*messages, *chunker.flush()]]


@given(DOCUMENTS, st.integers(1, 20), st.integers(1500, 5000))
def test_chunks_lose_nothing_keep_the_order_and_fit(
    documents: list[object], max_documents: int, max_bytes: int
) -> None:
    chunks = chunks_of(Chunker(max_documents=max_documents, max_bytes=max_bytes), documents)
    sent = [document for chunk in chunks for document in chunk.documents]
    assert sent == [document_message(document, 0) for document in documents]
    assert all(1 <= len(chunk.documents) <= max_documents for chunk in chunks)
    assert all(chunk.ByteSize() <= max_bytes for chunk in chunks)


@given(DOCUMENTS, st.integers(1, 20), st.integers(1500, 5000))
def test_no_two_neighbouring_chunks_would_fit_into_one(
    documents: list[object], max_documents: int, max_bytes: int
) -> None:
    chunks = chunks_of(Chunker(max_documents=max_documents, max_bytes=max_bytes), documents)
    for chunk, following in itertools.pairwise(chunks):
        chunk.documents.append(following.documents[0])
        assert len(chunk.documents) > max_documents or chunk.ByteSize() > max_bytes


def test_a_full_chunk_is_sent_at_once() -> None:
    chunker = Chunker(max_documents=1, max_bytes=1000)
    assert len(list(chunker.add("a"))) == 1
    assert not list(chunker.flush())


def test_a_chunk_may_be_filled_to_the_last_byte() -> None:
    document = pb.Document(text="x" * 100)
    exact = pb.DocumentChunk(documents=[document]).ByteSize()
    assert len(chunks_of(Chunker(max_documents=9, max_bytes=exact), [document])) == 1
    with pytest.raises(InvalidRequestError, match=r"documents\[0\] has") as caught:
        chunks_of(Chunker(max_documents=9, max_bytes=exact - 1), [document])
    assert caught.value.field_violations[0].field == "documents[0]"


def test_the_document_at_fault_is_named_by_its_place_in_the_stream() -> None:
    with pytest.raises(InvalidRequestError, match=r"documents\[3\]"):
        chunks_of(Chunker(max_documents=2, max_bytes=100), ["a", "b", "c", "d" * 200])


def test_a_chunk_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk_documents"):
        Chunker(max_documents=0, max_bytes=100)


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
