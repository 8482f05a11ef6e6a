"""Calls that failed: who is told what, and whether it is the provider's fault."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rerankd.core.errors import (
    BackendFailedError,
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
    ProviderUnavailableError,
    QuotaExceededError,
    RerankdError,
)

_MAX_RETRY_AFTER_SECONDS = 3600.0
_MAX_REASON_LENGTH = 200

_KEY_REFUSED = (401, 402, 403, 498)
_REQUEST_REFUSED = (400, 413, 422)
_TIMED_OUT = (408, 499)
_NEVER_IMPLEMENTED = 501


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSite:
    """What messages say about a call."""

    model_id: str
    provider: str
    key_variable: str


class CallFailedError(Exception):
    """One attempt failed.

    Attributes:
        error: What the caller is told, unless another attempt succeeds.
        succeeded: How the circuit counts it: False = the provider failed, True = it works and refused,
            None = nothing can be said.
        is_repeatable: Whether another attempt may help.
        is_free: Whether the provider bills nothing for it, as far as one can know.
    """

    def __init__(
        self,
        error: RerankdError,
        *,
        succeeded: bool | None,
        is_repeatable: bool = False,
        is_free: bool = False,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.succeeded = succeeded
        self.is_repeatable = is_repeatable
        self.is_free = is_free


def of_status(site: CallSite, status: int, retry_after_seconds: float | None) -> CallFailedError:
    """A provider that answered with something else than success."""
    metadata = {"model": site.model_id, "status": str(status)}
    if retry_after_seconds is not None:
        retry_after_seconds = min(retry_after_seconds, _MAX_RETRY_AFTER_SECONDS)
    if status in _REQUEST_REFUSED:
        # Not an error of the server's kind: clients would repeat the call, with the same end.
        message = f"{site.provider} refused the request (HTTP {status}): the query or a document may be too"
        return CallFailedError(
            InvalidRequestError(
                f"{message} long or empty; the server's log has its words", metadata=metadata
            ),
            succeeded=True,
            is_free=True,
        )
    if status == 404:
        message = f"{site.provider} has no model {site.model_id} (HTTP 404); check its name and the base_url"
        return CallFailedError(ModelNotFoundError(message, metadata=metadata), succeeded=True, is_free=True)
    if status == 429:
        message = f"{site.provider} refuses more calls for now (HTTP 429); retry later or name another model"
        quota = QuotaExceededError(message, metadata=metadata, retry_after_seconds=retry_after_seconds)
        return CallFailedError(quota, succeeded=False, is_repeatable=True, is_free=True)
    if status >= 500 or status in _TIMED_OUT:
        message = f"{site.provider} failed (HTTP {status}); retry later or name another model"
        down = ProviderUnavailableError(message, metadata=metadata, retry_after_seconds=retry_after_seconds)
        repeatable = status >= 500 and status != _NEVER_IMPLEMENTED
        return CallFailedError(down, succeeded=False, is_repeatable=repeatable, is_free=True)
    if status in _KEY_REFUSED:
        advice = f"the operator must check cloud.{site.provider}.api_key or {site.key_variable}"
        message = f"{site.provider} refused the key of this server (HTTP {status}); {advice}"
    else:
        advice = f"the operator must check cloud.{site.provider}.base_url"
        message = f"{site.provider} does not take calls like this one (HTTP {status}); {advice}"
    return CallFailedError(ModelFailedError(message, metadata=metadata), succeeded=True, is_free=True)


def of_connection(site: CallSite) -> CallFailedError:
    """No connection, or one that broke."""
    message = f"the connection to {site.provider} failed; retry later or name another model"
    error = ProviderUnavailableError(message, metadata={"model": site.model_id})
    return CallFailedError(error, succeeded=False, is_repeatable=True, is_free=True)


def of_silence(site: CallSite, seconds: float, *, is_failure: bool) -> CallFailedError:
    """No answer in time; `is_failure`: whether the time was long enough to blame the provider."""
    message = f"{site.provider} did not answer within {seconds:.1f} s; allow more time or name another model"
    error = ProviderUnavailableError(message, metadata={"model": site.model_id})
    return CallFailedError(error, succeeded=False if is_failure else None)


def of_malformed_answer(site: CallSite) -> CallFailedError:
    """An answer that cannot be used. It was billed, so the call is not repeated."""
    message = f"{site.provider} answered what cannot be used; the server's log has the reason"
    error = BackendFailedError(message, metadata={"model": site.model_id})
    return CallFailedError(error, succeeded=False)


def reason_in(body: str, key: str) -> str:
    """The provider's own sentence about a refusal, for the log: never the rest, which may hold documents."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return ""
    for name in ("message", "detail", "error"):
        value = parsed.get(name) if isinstance(parsed, dict) else None
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str):
            printable = "".join(c if c.isprintable() else " " for c in value.replace(key, "***"))
            return printable[:_MAX_REASON_LENGTH]
    return ""
