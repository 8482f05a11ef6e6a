"""How requests are reranked that do not say: one immutable value, replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rerankd.core.errors import DrainingError, RerankdError
from rerankd.core.types import FailureMode, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankingPolicy:
    """What an operator decided. A call takes the policy once, when it begins, and ends with it."""

    default_model: str = ""
    """Name of the model for requests that name none; empty = the catalogue's own default."""
    max_scored_documents: int = 0
    cloud_top_n: int = 0
    """Bound on the documents that a model with `is_cloud` scores, whatever the request says."""
    timeout_seconds: float = 10.0
    """Longest time of one call to a `TextBackend`."""
    snippet_chars: int = 0
    document_fields: tuple[str, ...] = ()
    on_failure: FailureMode = FailureMode.FAIL
    fallback_models: tuple[str, ...] = ()
    generation: int = 0
    """How many changes came before this one."""

    def complete(self, options: Options) -> Options:
        """The options of a request with everything filled in that it left open."""
        return replace(
            options,
            model=options.model or self.default_model,
            document_fields=options.document_fields or self.document_fields,
        )

    def bound(self, options: Options, *, is_cloud: bool) -> int:
        """Most documents that a model scores by the operator's word, beside the request's own; 0 = all."""
        general = 0 if options.max_scored_documents else self.max_scored_documents
        bounds = filter(None, (general, self.cloud_top_n if is_cloud else 0))
        return min(bounds, default=0)

    def stand_ins(self, options: Options) -> tuple[str, ...]:
        """Models to try, in order, when the wanted one fails."""
        return () if options.on_failure is FailureMode.FAIL else self.fallback_models

    def may_forgive(self, options: Options) -> bool:
        """Whether a request that no model could score can be answered in its original order."""
        return (options.on_failure or self.on_failure) is FailureMode.ORIGINAL_ORDER

    def forgives(self, options: Options, error: RerankdError) -> bool:
        """Whether it is, for this error.

        A server that goes down forgives only callers who said so: the others find a ranking elsewhere.
        """
        if options.on_failure is None and isinstance(error, DrainingError):
            return False
        return self.may_forgive(options)
