"""The two errors that every other server can be the cause of."""

from __future__ import annotations

from rerankd.core.errors import BackendFailedError, ProviderUnavailableError


def unavailable(
    model_id: str, what: str, retry_after_seconds: float | None = None
) -> ProviderUnavailableError:
    """The error of a server that gives no scores now."""
    return ProviderUnavailableError(
        f"the server that scores for {model_id} is not available: {what}; retry later or name another model",
        metadata={"model": model_id},
        retry_after_seconds=retry_after_seconds,
    )


def unusable(model_id: str, what: str) -> BackendFailedError:
    """The error of an answer that cannot be used."""
    return BackendFailedError(
        f"the server that scores for {model_id} failed: {what}", metadata={"model": model_id}
    )
