"""What a dialect is: pure functions between JSON and the core's types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rerankd.core.engine import Request
from rerankd.core.errors import RerankdError
from rerankd.core.limits import Limits
from rerankd.core.types import Outcome, Ranking
from rerankd.http_api.failures import ErrorReply, error_headers
from rerankd.http_api.json_text import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a body asks for."""

    request: Request
    warnings: tuple[str, ...] = ()
    """What of it has no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What there is to tell."""

    asked: Asked
    ranking: Ranking
    request_id: str

    def warnings(self) -> list[Json]:
        """Everything that the caller may not have expected, in whole sentences."""
        usage, ranking = self.ranking.usage, self.ranking
        said: list[Json] = list(self.asked.warnings)
        if usage.truncated_documents:
            said.append(f"documents that were cut to what the model reads: {usage.truncated_documents}")
        if ranking.outcome is not Outcome.RERANKED or ranking.outcome_reason:
            said.append(f"{ranking.outcome.name}: {ranking.outcome_reason}")
        return said


def no_headers(_: Answered) -> dict[str, str]:
    """For dialects whose answers have no headers of their own."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to ask. Nothing of it touches the engine."""

    name: str
    parse: Callable[[JsonObject, Limits], Asked]
    """Raises RerankdError for a body that this dialect does not allow."""
    render: Callable[[Answered], Json]
    error_body: Callable[[RerankdError, str], Json]
    """From an error and the request's id."""
    statuses: Mapping[str, int] = field(default_factory=dict)
    """Reason to HTTP status, where it is not that of the error table."""
    headers: Callable[[Answered], dict[str, str]] = no_headers
    choose: Callable[[JsonObject], Dialect] | None = None
    """Which dialect a body is in, on a path where several meet."""
    native: bool = False
    """Whether the service's own names of models are the only ones that count."""

    def status(self, error: RerankdError) -> int:
        """The HTTP status of an error."""
        own = self.statuses.get(type(error).__name__)
        if own is not None:
            return own
        # A refusal of this door's own, such as of a body that is too large, is the same everywhere.
        if error.spec.reason == "INVALID_REQUEST" and error.spec.http != 400:
            return error.spec.http
        return self.statuses.get(error.spec.reason, error.spec.http)

    def render_error(self, error: RerankdError, request_id: str) -> ErrorReply:
        """An error as this dialect tells it."""
        status = self.status(error)
        return ErrorReply(
            status=status, body=self.error_body(error, request_id), headers=error_headers(error, status)
        )
