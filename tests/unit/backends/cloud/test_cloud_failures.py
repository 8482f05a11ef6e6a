from __future__ import annotations

import json

import pytest

from rerankd.backends.cloud.failures import CallSite, of_status, reason_in
from rerankd.core.errors import (
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
    ProviderUnavailableError,
    QuotaExceededError,
    RerankdError,
)

SITE = CallSite(model_id="voyage/rerank-2.5", provider="voyage", key_variable="VOYAGE_API_KEY")


@pytest.mark.parametrize(
    ("status", "error", "succeeded", "is_repeatable"),
    [
        (302, ModelFailedError, True, False),
        (400, InvalidRequestError, True, False),
        (401, ModelFailedError, True, False),
        (402, ModelFailedError, True, False),
        (403, ModelFailedError, True, False),
        (404, ModelNotFoundError, True, False),
        (405, ModelFailedError, True, False),
        (408, ProviderUnavailableError, False, False),
        (413, InvalidRequestError, True, False),
        (418, ModelFailedError, True, False),
        (422, InvalidRequestError, True, False),
        (429, QuotaExceededError, False, True),
        (498, ModelFailedError, True, False),
        (499, ProviderUnavailableError, False, False),
        (500, ProviderUnavailableError, False, True),
        (501, ProviderUnavailableError, False, False),
        (502, ProviderUnavailableError, False, True),
        (503, ProviderUnavailableError, False, True),
        (504, ProviderUnavailableError, False, True),
        (529, ProviderUnavailableError, False, True),
    ],
)
def test_every_status_has_its_error(
    status: int, error: type[RerankdError], succeeded: bool, is_repeatable: bool
) -> None:
    failure = of_status(SITE, status, None)
    assert type(failure.error) is error
    assert (failure.succeeded, failure.is_repeatable) == (succeeded, is_repeatable)
    assert failure.error.metadata == {"model": "voyage/rerank-2.5", "status": str(status)}
    assert f"HTTP {status}" in failure.error.message
    # What a retry cannot mend is not of the server's kind: SDKs repeat those.
    assert failure.is_repeatable <= failure.error.spec.retryable
    assert succeeded == (failure.error.spec.http < 500 and status != 429)


@pytest.mark.parametrize(("told", "passed_on"), [(None, None), (7.0, 7.0), (1e9, 3600.0)])
def test_delays_are_passed_on_within_reason(told: float | None, passed_on: float | None) -> None:
    assert of_status(SITE, 429, told).error.retry_after_seconds == passed_on


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"id": "1", "message": "too many documents"}, "too many documents"),
        ({"detail": "bad key sekrit!"}, "bad key ***!"),
        ({"error": {"message": "over\nthere"}}, "over there"),
        ({"detail": [{"loc": ["body"], "msg": "no", "input": "text of a document"}]}, ""),
        (["text"], ""),
        ({"message": "x" * 300}, "x" * 200),
    ],
)
def test_the_log_gets_the_sentence_and_no_more(body: object, reason: str) -> None:
    assert reason_in(json.dumps(body), "sekrit") == reason


def test_the_log_gets_nothing_of_what_is_not_json() -> None:
    assert reason_in("<html>sekrit</html>", "sekrit") == ""
