"""Which text of a document is scored, and the bounds on what comes in."""

from __future__ import annotations

import math

import pytest

from rerankd.core.documents import scored_text
from rerankd.core.errors import DocumentTooLongError, InvalidRequestError, TooManyDocumentsError
from rerankd.core.limits import Limits, check_original_scores
from rerankd.core.policy import estimate_tokens
from rerankd.core.types import Document, LongDocument, Options

FIELDS = {
    "title": "T",
    "text": "body",
    "year": 2024.0,
    "share": 0.25,
    "tags": ["a", "b"],
    "open": True,
    "none": None,
}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "body"),
        (("title", "text"), "T\nbody"),
        (("text", "title"), "body\nT"),
        (("year", "share", "open"), "2024\n0.25\ntrue"),
        (("tags", "missing", "none"), "a, b"),
    ],
)
def test_fields_in_the_order_asked_for(names: tuple[str, ...], expected: str) -> None:
    assert scored_text(Document(fields=FIELDS), names, 0) == expected


def test_default_fields() -> None:
    assert scored_text(Document(fields={"content": "c", "text": "t"}), (), 0) == "c"
    assert scored_text(Document(fields={"b": "2", "a": "1", "n": 3.0}), (), 0) == "1\n2"
    assert scored_text(Document(text="plain"), ("title",), 0) == "plain"


@pytest.mark.parametrize("fields", [{}, {"n": None}, {"list": []}])
def test_no_text_to_score_names_the_document(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        scored_text(Document(fields=fields), ("n", "list"), 7)
    assert caught.value.field == "documents[7].fields"


def test_infinite_numbers_in_fields_do_not_crash() -> None:
    assert scored_text(Document(fields={"n": math.inf}), ("n",), 0) == "inf"


limits = Limits(max_documents=3, max_query_bytes=8, max_document_bytes=8)


def test_query_bounds() -> None:
    limits.check_query("12345678")
    for query in ("", "123456789", "ééééé"):
        with pytest.raises(InvalidRequestError) as caught:
            limits.check_query(query)
        assert caught.value.field == "query"


def test_document_bounds() -> None:
    limits.check_document_count(3)
    with pytest.raises(InvalidRequestError):
        limits.check_document_count(0)
    with pytest.raises(TooManyDocumentsError, match="RerankStream"):
        limits.check_document_count(4)
    limits.check_text("", "documents[0]")
    limits.check_text("éééé", "documents[0]")
    with pytest.raises(DocumentTooLongError) as caught:
        limits.check_text("ééééé", "documents[2]")
    assert caught.value.field == "documents[2]"
    assert caught.value.metadata == {"bytes": "10", "limit": "8"}


@pytest.mark.parametrize(
    "options",
    [
        Options(top_n=-1),
        Options(max_tokens_per_document=-5),
        Options(max_scored_documents=-1),
        Options(max_tokens_per_document=31, long_document=LongDocument.BEST_PASSAGE),
        Options(min_score=math.nan),
        Options(original_score_weight=1.5),
        Options(original_score_weight=math.nan),
        Options(document_fields=("",)),
        Options(document_fields=("x",) * 33),
        Options(instruction="123456789"),
    ],
)
def test_options_out_of_bounds_are_named(options: Options) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        limits.check_options(options)
    assert caught.value.field is not None
    assert caught.value.field.startswith("options.")


@pytest.mark.parametrize(
    ("options", "snapshots"),
    [
        (Options(original_score_weight=0.5), False),
        (Options(), True),
        (Options(return_documents=True), False),
        (Options(top_n=1001, return_documents=True), False),
    ],
)
def test_stream_options_that_would_need_the_whole_set(options: Options, snapshots: bool) -> None:
    with pytest.raises(InvalidRequestError):
        limits.check_stream_options(options, snapshots=snapshots)


def test_original_scores() -> None:
    check_original_scores([Document(original_score=1.0), Document()], Options(original_score_weight=0.5))
    with pytest.raises(InvalidRequestError, match=r"documents\[1\]"):
        check_original_scores([Document(), Document(original_score=math.inf)], Options())
    with pytest.raises(InvalidRequestError, match="original_score_weight"):
        check_original_scores([Document()], Options(original_score_weight=0.5))


def test_estimates_grow_with_the_windows_of_a_long_document() -> None:
    document = [Document(text="word " * 6000)]
    cut = estimate_tokens("a query", document, Options(), 512)
    assert cut == 512
    windows = estimate_tokens("a query", document, Options(long_document=LongDocument.BEST_PASSAGE), 512)
    assert windows > 10_000
