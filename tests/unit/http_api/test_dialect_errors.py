"""One error, each dialect: every cell of the table, and the words around it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers

from rerankd.core import errors
from rerankd.core.errors import ERROR_CLASSES, RerankdError
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
    NoDocumentsError,
    UnsupportedMediaError,
    unexpected,
    with_known_names,
)
from rerankd.http_api.json_text import shortest

# native, Cohere v2, /v1, TEI with its type, Voyage.
TABLE: dict[type[RerankdError], tuple[int, int, int, int, str, int]] = {
    errors.InvalidRequestError: (400, 400, 422, 422, "Validation", 422),
    NoDocumentsError: (400, 400, 422, 400, "Empty", 400),
    errors.TooManyDocumentsError: (400, 400, 400, 422, "Validation", 400),
    errors.DocumentTooLongError: (400, 400, 400, 422, "Tokenizer", 400),
    errors.StreamProtocolError: (400, 400, 422, 422, "Validation", 422),
    BodyTooLargeError: (413, 413, 413, 413, "Validation", 413),
    UnsupportedMediaError: (415, 415, 415, 415, "Validation", 415),
    errors.CorpusNotFoundError: (404, 404, 404, 404, "Backend", 404),
    errors.RunNotFoundError: (404, 404, 404, 404, "Backend", 404),
    errors.RunActiveError: (409, 409, 409, 409, "Backend", 409),
    errors.TooFewTripletsError: (422, 422, 422, 422, "Backend", 422),
    errors.PromotionRefusedError: (409, 409, 409, 409, "Backend", 409),
    errors.NotComparableError: (409, 409, 409, 409, "Backend", 409),
    errors.UnauthenticatedError: (401, 401, 401, 401, "", 401),
    errors.ForbiddenError: (403, 403, 403, 403, "Validation", 403),
    errors.ModelNotFoundError: (404, 404, 404, 422, "Validation", 400),
    errors.ModelFailedError: (424, 424, 424, 424, "Backend", 424),
    errors.ModelLoadingError: (503, 503, 503, 503, "Unhealthy", 503),
    errors.ProviderUnavailableError: (503, 503, 503, 503, "Unhealthy", 503),
    errors.DrainingError: (503, 503, 503, 503, "Unhealthy", 503),
    errors.OverloadedError: (503, 429, 429, 429, "Overloaded", 429),
    errors.QuotaExceededError: (429, 429, 429, 429, "Overloaded", 429),
    errors.DeadlineExceededError: (504, 504, 504, 504, "Backend", 504),
    errors.CancelledError: (499, 499, 499, 499, "Backend", 499),
    errors.BackendFailedError: (500, 500, 500, 424, "Backend", 500),
    errors.NonFiniteScoreError: (500, 500, 500, 424, "Backend", 500),
    errors.InternalError: (500, 500, 500, 424, "Backend", 500),
}


def test_every_error_has_a_row() -> None:
    assert set(TABLE) >= set(ERROR_CLASSES)


@pytest.mark.parametrize(("kind", "row"), TABLE.items(), ids=lambda cell: getattr(cell, "__name__", ""))
def test_every_cell(kind: type[RerankdError], row: tuple[int, int, int, int, str, int]) -> None:
    error = kind("what happened; what to do")
    native, cohere, jina, tei, tei_type, voyage = row
    expected: dict[str, tuple[Dialect, int, object]] = {
        "cohere": (COHERE, cohere, {"id": "id-1", "message": error.message}),
        "jina": (JINA, jina, {"id": "id-1", "message": error.message, "detail": error.message}),
        "kreuzberg": (KREUZBERG, jina, {"id": "id-1", "message": error.message, "detail": error.message}),
        "tei": (TEI, tei, {"error": error.message, "error_type": tei_type} if tei_type else None),
        "voyage": (VOYAGE, voyage, {"detail": error.message}),
    }
    for name, (dialect, status, told) in expected.items():
        reply = dialect.render_error(error, "id-1")
        assert (name, reply.status, reply.body) == (name, status, told)
    reply = NATIVE.render_error(error, "id-1")
    told_natively: Any = reply.body
    assert reply.status == told_natively["error"]["code"] == native
    assert told_natively["error"]["status"] == kind.spec.grpc
    assert told_natively["error"]["message"] == error.message


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_before_the_dialect_is_known_every_reader_finds_its_words(kind: type[RerankdError]) -> None:
    reply = UNDECIDED.render_error(kind("why"), "id-1")
    assert reply.status == TEI.status(kind("why"))
    if kind is errors.UnauthenticatedError:
        assert reply.body is None
        return
    tei, jina = TEI.error_body(kind("why"), "id-1"), JINA.error_body(kind("why"), "id-1")
    assert isinstance(tei, dict)
    assert isinstance(jina, dict)
    assert reply.body == {**tei, **jina}


@pytest.mark.parametrize("dialect", [COHERE, JINA, TEI, VOYAGE, NATIVE], ids=lambda d: d.name)
@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_who_may_come_back_is_told_when(dialect: Dialect, kind: type[RerankdError]) -> None:
    def headers(seconds: float | None) -> Headers:
        return Headers(dict(dialect.render_error(kind("why", retry_after_seconds=seconds), "").headers))

    status = dialect.status(kind("why"))
    if status not in (429, 503):
        assert "retry-after" not in headers(2.0)
        assert ("www-authenticate" in headers(None)) == (status == 401)
        return
    for given, whole, exact in (
        (None, "1", "1000"),
        (1.5, "2", "1500"),
        (0.0, "1", "1"),
        (30.0, "30", "30000"),
    ):
        assert headers(given)["retry-after"] == whole
        assert headers(given)["retry-after-ms"] == exact


def test_a_native_error_has_its_details() -> None:
    error = errors.OverloadedError(
        "full", metadata={"limit": "7"}, field="documents", retry_after_seconds=1.5
    )
    told: Any = NATIVE.error_body(error, "id-1")
    info, request, retry = told["error"]["details"]
    assert info == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "OVERLOADED",
        "domain": "rerankd",
        "metadata": {"limit": "7", "request_id": "id-1"},
    }
    assert request["fieldViolations"] == [{"field": "documents", "description": "full"}]
    assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"}


def test_a_model_that_is_not_found_is_told_with_those_that_are() -> None:
    error = errors.ModelNotFoundError("no model 'x'", metadata={"model": "x"})
    told = with_known_names(error, ["a", "b"])
    assert (told.message, told.metadata) == ("no model 'x'; this server offers a, b", {"model": "x"})
    assert with_known_names(error, []) is error
    assert with_known_names(error, [str(i) for i in range(50)]).message.endswith("18, 19, …")


def test_what_nobody_foresaw_says_nothing_of_its_cause() -> None:
    assert unexpected().spec.reason == "INTERNAL"


@pytest.mark.parametrize(
    ("score", "written"),
    [(0.1, "0.1"), (1 / 3, "0.33333334"), (1.0, "1.0"), (0.0, "0.0"), (1e-12, "1e-12"), (-7.25, "-7.25")],
)
def test_scores_have_the_digits_of_a_single(score: float, written: str) -> None:
    assert repr(shortest(score)) == written
