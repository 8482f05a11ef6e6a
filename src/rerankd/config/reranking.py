"""How requests are reranked that do not say; can be changed while the server runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rerankd.config.types import Count, Section

ModelName = Annotated[str, Field(max_length=200)]


class RerankingConfig(Section):
    """What scores a request that names no model, and how."""

    mode: Literal["none", "local", "learning", "cloud"] = "local"
    """none: documents keep their order, and the answer says so. local: `local_model`. learning: a model
    trained here, `learning_model`. cloud: `cloud_model` of `cloud_provider`."""
    local_model: ModelName = ""
    """Model of mode local: an id, preset, alias or local name; empty = `model`."""
    learning_model: ModelName = ""
    """Model of mode learning: an id, alias or local name."""
    cloud_provider: Literal["cohere", "voyage", "jina"] = "cohere"
    """Provider of mode cloud."""
    cloud_model: ModelName = ""
    """Model of mode cloud, without the provider's prefix; empty = rerank-v3.5 of Cohere, rerank-2.5 of
    Voyage, jina-reranker-v2-base-multilingual of Jina."""
    max_scored_documents: Count = 0
    """Only the first documents of a request, this many, are scored, unless it says its own; 0 = all."""
    cloud_top_n: Count = 0
    """Most documents of a request that a provider's model scores, whatever the request says; 0 = all."""
    timeout_seconds: Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False)] = 10.0
    """Longest time of one call to a provider, plugin or other server."""
    snippet_chars: Count = 0
    """Characters of each document that are scored; 0 = all that the model reads."""
    document_fields: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """Fields of structured documents that are scored where a request names none."""
    on_failure: Literal["fail", "original_order"] = "fail"
    """What a request that does not say gets when no model could score it."""
    fallback_models: Annotated[tuple[ModelName, ...], Field(max_length=8)] = ()
    """Models that stand in, in this order, when the wanted one fails."""

    @model_validator(mode="after")
    def _agree(self) -> RerankingConfig:
        if self.mode == "learning" and not self.learning_model:
            raise ValueError("mode learning needs learning_model")
        if not all(self.fallback_models):
            raise ValueError("fallback_models has an empty name")
        return self
