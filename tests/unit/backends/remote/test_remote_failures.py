from __future__ import annotations

from typing import Any

import pytest

from rerankd import client
from rerankd.backends.remote.repeating import NotNowError
from rerankd.backends.remote.rerankd_failures import translated
from rerankd.core import errors


def violation(field: str) -> dict[str, Any]:
    return {"field_violations": [client.FieldViolation(field=field, description="bad")]}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client.UnavailableError("x"), errors.ProviderUnavailableError),
        (client.OverloadedError("x", retry_after_seconds=2.0), errors.ProviderUnavailableError),
        (client.DrainingError("x"), errors.ProviderUnavailableError),
        (client.ModelLoadingError("x"), errors.ProviderUnavailableError),
        (client.QuotaExceededError("x"), errors.ProviderUnavailableError),
        (client.DeadlineExceededError("x"), errors.ProviderUnavailableError),
        (client.CancelledError("x"), errors.ProviderUnavailableError),
        (client.ModelNotFoundError("x"), errors.ModelFailedError),
        (client.ModelFailedError("x"), errors.ModelFailedError),
        (client.UnauthenticatedError("x"), errors.ModelFailedError),
        (client.ForbiddenError("x"), errors.ModelFailedError),
        (client.BackendFailedError("x"), errors.BackendFailedError),
        (client.InternalError("x"), errors.BackendFailedError),
        (client.MessageTooLargeError("x"), errors.BackendFailedError),
        (client.RerankdError("x"), errors.BackendFailedError),
        (client.NonFiniteScoreError("x"), errors.NonFiniteScoreError),
        (client.StreamProtocolError("x"), errors.BackendFailedError),
        (client.TooManyDocumentsError("x", **violation("documents")), errors.BackendFailedError),
        (client.InvalidRequestError("x"), errors.BackendFailedError),
        (client.InvalidRequestError("x", **violation("options.model")), errors.BackendFailedError),
        (client.InvalidRequestError("x", **violation("query")), errors.InvalidRequestError),
        (client.InvalidRequestError("x", **violation("options.instruction")), errors.InvalidRequestError),
        (client.DocumentTooLongError("x", **violation("documents[3].text")), errors.DocumentTooLongError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_every_failure_has_its_meaning_here(
    error: client.RerankdError, kind: type[errors.RerankdError]
) -> None:
    got = translated("m", error, 5.0)
    told = got.error if isinstance(got, NotNowError) else got
    assert type(told) is kind
    assert told.metadata["model"] == "m"
    assert told.retry_after_seconds == error.retry_after_seconds


@pytest.mark.parametrize("error", [client.OverloadedError("x"), client.QuotaExceededError("x")])
def test_what_passes_is_repeated(error: client.RerankdError) -> None:
    assert isinstance(translated("m", error, 5.0), NotNowError)


def test_what_took_too_long_is_not_repeated() -> None:
    assert not isinstance(translated("m", client.DeadlineExceededError("x"), 5.0), NotNowError)


def test_the_position_of_a_document_is_left_out() -> None:
    """It counts the documents that were sent there: others than the caller's."""
    error = client.DocumentTooLongError("documents[3].text is long", **violation("documents[3].text"))
    told = translated("m", error, 5.0)
    assert isinstance(told, errors.DocumentTooLongError)
    assert told.field == "documents"
    assert "[3]" not in told.message
