"""What the section `reranking` of the configuration means for the engine."""

from __future__ import annotations

from rerankd.backends.passthrough import NONE
from rerankd.config import RerankingConfig
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.types import FailureMode

USUAL_MODELS = {
    "cohere": "rerank-v3.5",
    "voyage": "rerank-2.5",
    "jina": "jina-reranker-v2-base-multilingual",
}
"""The model of each provider where the configuration names none."""


def default_model_of(reranking: RerankingConfig) -> str:
    """Name of the model for requests that name none; empty = the `model` of the configuration."""
    match reranking.mode:
        case "none":
            return NONE
        case "learning":
            return reranking.learning_model
        case "cloud":
            provider = reranking.cloud_provider
            return f"{provider}/{reranking.cloud_model or USUAL_MODELS[provider]}"
        case _:
            return reranking.local_model


def policy_of(reranking: RerankingConfig, generation: int = 0) -> RerankingPolicy:
    """The policy that a section describes."""
    return RerankingPolicy(
        default_model=default_model_of(reranking),
        max_scored_documents=reranking.max_scored_documents,
        cloud_top_n=reranking.cloud_top_n,
        timeout_seconds=reranking.timeout_seconds,
        snippet_chars=reranking.snippet_chars,
        document_fields=reranking.document_fields,
        on_failure=FailureMode(reranking.on_failure),
        fallback_models=reranking.fallback_models,
        generation=generation,
    )
