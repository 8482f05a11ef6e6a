"""What a failure of another rerankd means to a caller of this one."""

from __future__ import annotations

from rerankd import client
from rerankd.backends.remote.failures import unavailable
from rerankd.backends.remote.repeating import NotNowError
from rerankd.core.errors import (
    BackendFailedError,
    DocumentTooLongError,
    InvalidRequestError,
    ModelFailedError,
    NonFiniteScoreError,
    RerankdError,
)

# What is passed on from the caller as it is. Everything else in the request is of this server's making.
_FIELDS_OF_CALLER = (
    "query",
    "documents",
    "options.instruction",
    "options.long_document",
    "options.max_tokens_per_document",
)


def translated(
    model_id: str, error: client.RerankdError, timeout_seconds: float
) -> RerankdError | NotNowError:
    """The failure of a call, as this server tells it; the other one's words are for the log."""
    metadata = {"model": model_id, "remote_reason": error.reason or error.code.name}
    who = f"the server that scores for {model_id}"
    match error:
        case client.DeadlineExceededError() | client.CancelledError():
            return unavailable(model_id, f"it gave no answer within {timeout_seconds:.3g} s")
        case client.UnavailableError() | client.QuotaExceededError():
            reason = error.reason or "no connection"
            return NotNowError(unavailable(model_id, reason, error.retry_after_seconds))
        case client.TooManyDocumentsError() | client.StreamProtocolError():
            pass
        case client.InvalidRequestError() if (field := _field_of_caller(error)) is not None:
            is_length = isinstance(error, client.DocumentTooLongError)
            kind = DocumentTooLongError if is_length else InvalidRequestError
            what = "a document is too long for it" if is_length else f"it does not take {field} as it is"
            return kind(f"{who} refused the request: {what}; change {field}", field=field, metadata=metadata)
        case (
            client.ModelNotFoundError()
            | client.ModelFailedError()
            | client.UnauthenticatedError()
            | client.ForbiddenError()
        ):
            what = f"does not serve the model ({metadata['remote_reason']})"
            advice = "the operator must check its url, model and token in plugins.remotes"
            return ModelFailedError(f"{who} {what}; {advice}", metadata=metadata)
        case client.NonFiniteScoreError():
            return NonFiniteScoreError(f"{who} has no finite score for a document", metadata=metadata)
    return BackendFailedError(f"{who} failed ({metadata['remote_reason']})", metadata=metadata)


def _field_of_caller(error: client.RerankdError) -> str | None:
    """The field at fault if it came from the caller, without the position, which is another one here."""
    for violation in error.field_violations:
        field = violation.field.partition("[")[0]
        if field in _FIELDS_OF_CALLER:
            return field
    return None
