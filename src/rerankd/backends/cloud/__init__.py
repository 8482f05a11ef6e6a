"""Rerankers of Cohere, Voyage and Jina, called through liter-llm (the extra `cloud`)."""

from rerankd.backends.cloud.models import CloudModels
from rerankd.backends.cloud.settings import CloudSettings, ProviderSettings

__all__ = ["CloudModels", "CloudSettings", "ProviderSettings"]
