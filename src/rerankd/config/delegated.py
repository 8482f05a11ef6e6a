"""Models that something outside this process, or somebody else's code, scores for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from rerankd.config.types import Count, Positive, Price, Seconds, Section

Timeout = Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False)]


class ProviderConfig(Section):
    """One provider's account, limits and prices."""

    api_key: SecretStr | None = None
    """Key of the account; without it the provider's own variable is read (COHERE_API_KEY, VOYAGE_API_KEY,
    JINA_API_KEY). Without both, its models are not offered."""
    base_url: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$")] = ""
    """Where the provider's API is, with its version (`https://api.cohere.com/v2`); `/rerank` is added.
    Empty = the provider itself."""
    max_documents: Positive = 1000
    """Documents of one call; larger sets are split."""
    max_tokens: Count = 0
    """Tokens of one call, estimated at three bytes of UTF-8 each; larger sets are split. 0 = no limit."""
    unit_price_usd: Price = 0.0
    """Price of one unit as the provider bills it, in US dollars: of a search for Cohere, of a token for
    Voyage and Jina. 0 = not known, and no cost is told."""
    requests_per_minute: Count = 0
    """Most calls in a minute, of all models of the provider; 0 = no bound."""
    budget_usd_per_minute: Price = 0.0
    """Most money in a minute, of all models of the provider; needs `unit_price_usd`. 0 = no bound."""

    @model_validator(mode="after")
    def _agree(self) -> ProviderConfig:
        if self.budget_usd_per_minute and not self.unit_price_usd:
            raise ValueError("budget_usd_per_minute needs unit_price_usd: without a price nothing is counted")
        return self


class VoyageConfig(ProviderConfig):
    """Voyage's own limits."""

    max_tokens: Count = 600_000
    """Tokens of one call, estimated at three bytes of UTF-8 each; larger sets are split. 0 = no limit."""


class CloudConfig(Section):
    """Models of Cohere, Voyage and Jina, named `cohere/…`, `voyage/…` and `jina/…`; needs the extra cloud."""

    allow: tuple[str, ...] = ("cohere/rerank-*", "voyage/rerank-*", "jina/jina-*")
    """Patterns of the models that requests may name, of the providers that have a key."""
    max_concurrency: Positive = 16
    """Calls to one model under way at once; more wait."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a call is repeated that a provider refused for load or that failed on its side."""
    listwise_models: tuple[str, ...] = ("jina/jina-reranker-v3*",)
    """Patterns of models that score a document by its neighbours, so that parts cannot be merged."""
    merge_listwise: bool = False
    """Whether sets that are too large for one call of a listwise model are split all the same."""
    circuit_failures: Positive = 5
    """Failed calls in a row after which a model is left alone for a while."""
    circuit_open_seconds: Seconds = 30.0
    """How long it is left alone; one call then tries again."""
    cohere: ProviderConfig = ProviderConfig()
    voyage: VoyageConfig = VoyageConfig()
    jina: ProviderConfig = ProviderConfig()


class RemoteConfig(Section):
    """A model that another server scores for."""

    url: Annotated[str, Field(pattern=r"^(https?|grpcs?)://[^\s@]+$")]
    """`http(s)://…` takes `{"pairs": [[query, document], …]}` and returns `{"scores": […]}`;
    `grpc(s)://host:port` is another rerankd."""
    model: str = ""
    """Model to ask the other rerankd for; empty = its default."""
    token: SecretStr | None = None
    """Sent as `authorization: Bearer …`."""
    timeout_seconds: Timeout = 10.0
    """Longest time of one call."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a call is repeated that failed for want of the server."""
    max_concurrency: Positive = 16
    """Calls under way at once; more wait."""
    max_documents: Positive = 256
    """Documents of one call; larger sets are split."""


class PluginsConfig(Section):
    """Models of other people's code, in this process or elsewhere."""

    allow: tuple[str, ...] = ("*",)
    """Patterns of the names of installed plugins (entry points of the group `rerankd.backends`) that may
    be loaded. Nothing of a plugin is imported before its model is asked for."""
    max_concurrency: Positive = 4
    """Calls of one plugin under way at once; more wait."""
    remotes: dict[str, RemoteConfig] = Field(default_factory=dict)
    """Models that other servers score for: `name` or `name@version` to a table with url, model, token,
    timeout_seconds, retries, max_concurrency and max_documents."""
