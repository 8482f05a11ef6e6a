"""How requests are reranked that do not say: one immutable value, replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
            max_scored_documents=options.max_scored_documents or self.max_scored_documents,
            document_fields=options.document_fields or self.document_fields,
        )

    def stand_ins(self, options: Options) -> tuple[str, ...]:
        """Models to try, in order, when the wanted one fails."""
        return () if options.on_failure is FailureMode.FAIL else self.fallback_models

    def forgiving(self, options: Options) -> bool:
        """Whether a request that no model could score is answered in its original order."""
        return (options.on_failure or self.on_failure) is FailureMode.ORIGINAL_ORDER
