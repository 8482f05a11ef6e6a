"""Reading what a server of pairs answers."""

from __future__ import annotations

import email.utils
import json
import math
import time

from rerankd.backends.remote.repeating import NotNowError
from rerankd.core.errors import (
    BackendFailedError,
    InvalidRequestError,
    ModelFailedError,
    ProviderUnavailableError,
    RerankdError,
)

_LONGEST_WAIT_SECONDS = 3600.0
_NOT_IMPLEMENTED = 501


def read_scores(body: bytes) -> list[float]:
    """The scores of an answer. NaN and infinity are let through: the core tells which document has them.

    Raises:
        ValueError: It is none; the text says why, without quoting it.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        # Not from it: JSON's own error holds the whole answer.
        raise ValueError("its answer is no JSON") from None
    scores = answer.get("scores") if isinstance(answer, dict) else None
    if not isinstance(scores, list):
        raise ValueError('its answer has no list "scores"')
    for position, score in enumerate(scores):
        # JSON's true and false are numbers to Python.
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise ValueError(f"scores[{position}] of its answer is no number")
    return [_as_float(score) for score in scores]


def error_of_status(model_id: str, status: int, wait_seconds: float | None) -> NotNowError | RerankdError:
    """The failure that a status other than 200 stands for."""
    metadata = {"model": model_id, "status": str(status)}
    who = f"the server that scores for {model_id}"
    if status == 413:
        return InvalidRequestError(
            f"{who} finds the documents too large (HTTP 413); send shorter documents",
            field="documents",
            metadata=metadata,
        )
    if status in {408, 429} or status >= 500:
        error = ProviderUnavailableError(
            f"{who} is not available (HTTP {status}); retry later or name another model",
            metadata=metadata,
            retry_after_seconds=wait_seconds,
        )
        return error if status == _NOT_IMPLEMENTED else NotNowError(error)
    if status in {400, 422}:
        return BackendFailedError(f"{who} refused the request (HTTP {status})", metadata=metadata)
    advice = "its url" if status < 400 or status == 404 else "its url and token"
    return ModelFailedError(
        f"{who} does not take calls (HTTP {status}); the operator must check {advice} in plugins.remotes",
        metadata=metadata,
    )


def seconds_to_wait(retry_after: str) -> float | None:
    """What a Retry-After header says, in seconds from now, at most an hour; None where it says nothing."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)


def _as_float(score: int | float) -> float:
    try:
        return float(score)
    except OverflowError:
        return math.inf
