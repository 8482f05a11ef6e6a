"""What is different about each provider."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SEARCH_DOCUMENTS = 100
_CHUNK_TOKENS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider, as its documentation describes it."""

    name: str
    """Prefix of its models' ids here."""
    prefix: str
    """Its prefix in liter-llm."""
    base_url: str
    key_variable: str
    """Environment variable that holds the key where no setting does."""
    estimate_units: Callable[[Sequence[int]], int]
    """Units that a call is billed as, from the estimated tokens of its documents, each with the query."""
    return_documents: bool | None = None
    """What is sent; None = the field is not, because the provider refuses it or leaves them out anyway."""
    max_tokens_field: str = ""
    """Field that limits how much of a document is read; empty = there is none."""
    stream_documents: int = 128
    """Documents of a stream that go into one call."""


def _searches(tokens: Sequence[int]) -> int:
    """A search has up to 100 documents, and each 500 tokens of a document count as one of them."""
    chunks = sum(math.ceil(count / _CHUNK_TOKENS) for count in tokens)
    return math.ceil(chunks / _SEARCH_DOCUMENTS)


PROVIDERS = (
    Provider(
        name="cohere",
        prefix="cohere",
        base_url="https://api.cohere.com/v2",
        key_variable="COHERE_API_KEY",
        estimate_units=_searches,
        max_tokens_field="max_tokens_per_doc",
        # As many as one search has: 128 would be billed as two.
        stream_documents=_SEARCH_DOCUMENTS,
    ),
    Provider(
        name="voyage",
        prefix="voyage",
        base_url="https://api.voyageai.com/v1",
        key_variable="VOYAGE_API_KEY",
        estimate_units=sum,
    ),
    Provider(
        name="jina",
        prefix="jina_ai",
        base_url="https://api.jina.ai/v1",
        key_variable="JINA_API_KEY",
        estimate_units=sum,
        return_documents=False,
    ),
)
