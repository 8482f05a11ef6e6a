"""How an operator wants providers to be called."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One provider's account, limits and prices."""

    api_key: str | None = field(default=None, repr=False)
    """Without it the provider's own variable is read; without both, its models are not offered."""
    base_url: str = ""
    """Where the provider's API is, with its version (`https://api.cohere.com/v2`): `/rerank` is added to
    it. Empty = the provider itself."""
    max_documents: int = 1000
    """Documents of one call; larger sets are split."""
    max_tokens: int = 0
    """Tokens of one call, the query counted with each document, estimated at three bytes of UTF-8
    each; larger sets are split. 0 = no limit."""
    unit_price_usd: float = 0.0
    """Price of one unit as the provider bills it; 0 = not known."""
    requests_per_minute: int = 0
    """Most calls in a minute, of all models of the provider; 0 = no bound."""
    budget_usd_per_minute: float = 0.0
    """Most money in a minute, of all models of the provider; 0 = no bound."""

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            ValueError: A number is out of bounds, the address is none, or a budget has no price to go by.
        """
        if self.max_documents < 1:
            raise ValueError(f"max_documents is {self.max_documents}; it must be 1 or more")
        for name in ("max_tokens", "unit_price_usd", "requests_per_minute", "budget_usd_per_minute"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if self.base_url and not self.base_url.startswith(("https://", "http://")):
            raise ValueError("base_url must begin with https:// or http://")
        if self.budget_usd_per_minute and not self.unit_price_usd:
            raise ValueError("budget_usd_per_minute needs unit_price_usd: without a price nothing is counted")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """Models of all providers."""

    allow: tuple[str, ...] = ("*",)
    """fnmatch patterns of the models that requests may name, of the providers that have a key."""
    max_concurrency: int = 16
    """Calls to one model under way at once; more wait."""
    retries: int = 2
    """How often a call is repeated that a provider refused for load or that failed on its side."""
    listwise_models: tuple[str, ...] = ("jina/jina-reranker-v3*",)
    """Patterns of models that score a document by its neighbours, so that parts cannot be merged."""
    merge_listwise: bool = False
    """Whether sets that are too large for one call of a listwise model are split all the same."""
    circuit_failures: int = 5
    """Failed calls in a row after which a model is left alone for a while."""
    circuit_open_seconds: float = 30.0
    """How long it is left alone; one call then tries again."""
    patience_seconds: float = 1.0
    """A provider that says nothing for so long has failed, as the circuit counts. A caller with a shorter
    deadline gives up sooner, which says nothing about the provider."""
    cohere: ProviderSettings = ProviderSettings()
    voyage: ProviderSettings = ProviderSettings(max_tokens=600_000)
    jina: ProviderSettings = ProviderSettings()

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            ValueError: A number is out of bounds.
        """
        for name in ("max_concurrency", "circuit_failures"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("retries", "circuit_open_seconds", "patience_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
