"""From a configuration to an engine: which models there are, who loads them, what bounds them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.backends.passthrough import PassthroughModels
from rerankd.config import Config, ProviderConfig
from rerankd.core.catalogue import Catalogue, ModelSource
from rerankd.core.engine import Engine
from rerankd.core.errors import ModelNotFoundError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.registry import Loader, ModelCatalogue, Registry
from rerankd.core.score_cache import ScoreCache
from rerankd.reconfiguration.policy import policy_of
from rerankd.telemetry.tracing import NoTracing, Tracing
from rerankd.training.layout import Layout

if TYPE_CHECKING:
    from rerankd.artifacts.files import ModelFiles
    from rerankd.artifacts.store import ArtifactStore
    from rerankd.backends.base import AnyBackend, ProgressReporter
    from rerankd.backends.onnx import OnnxSettings
    from rerankd.backends.remote import RemoteSettings
    from rerankd.config.delegated import RemoteConfig
    from rerankd.training.promotion import LearnedModels
    from rerankd.training.service import Learning


class StartupError(Exception):
    """The server cannot serve; the message is for the operator."""


def build_engine(
    config: Config, *, catalogue: ModelCatalogue | None = None, loader: Loader | None = None
) -> Engine:
    """The engine that a configuration describes; nothing is loaded yet.

    `catalogue` and `loader` stand in for the configured models, for tests and embedders.

    Raises:
        StartupError: What the configuration says of models contradicts itself.
    """
    if catalogue is None or loader is None:
        models = build_catalogue(config)
        catalogue, loader = catalogue or models, loader or models.load
    if config.limits.max_memory_mib and not sys.platform.startswith("linux"):
        raise StartupError("limits.max_memory_mib: only Linux tells how much memory a process takes")
    registry = Registry(
        catalogue,
        loader,
        max_queued_tokens=config.limits.max_queued_tokens,
        load_on_request=config.warmup.mode != "none",
    )
    return Engine(
        registry,
        Limits(**config.limits.model_dump()),
        score_cache=ScoreCache(config.cache.max_mib * 1024 * 1024) if config.cache.max_mib else None,
        policy=policy_of(config.reranking),
    )


def build_tracing(config: Config) -> Tracing:
    """Who traces the calls.

    Raises:
        StartupError: Traces are wanted and the extra `otel` is not installed.
    """
    wanted = config.tracing
    if not wanted.enabled:
        return NoTracing()
    try:
        from rerankd.telemetry.otel import OtelTracing
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise StartupError("tracing.enabled needs more packages: pip install 'rerankd[otel]'") from error
    return OtelTracing(
        endpoint=wanted.endpoint, sample_ratio=wanted.sample_ratio, service_name=wanted.service_name
    )


def build_catalogue(config: Config) -> Catalogue:
    """Every model that a configuration offers.

    Raises:
        StartupError: What it says of models contradicts itself.
    """
    try:
        others = (PassthroughModels(), *_plugins(config), *_providers(config), _LearnedModels(config))
        aliases = config.models.aliases
        foreign = {name: to for name, to in aliases.items() if _is_foreign(to, aliases, others)}
        default = config.model if _is_foreign(config.model, aliases, others) else ""
        return Catalogue([*others, _LocalModels(config, others)], aliases=foreign, default=default)
    except (ValueError, RerankdError) as error:
        raise StartupError(f"models: {error}") from error


def build_store(config: Config, others: Sequence[ModelSource] = ()) -> ArtifactStore:
    """The models that a configuration offers from files, here or of the Hub.

    Raises:
        StartupError: What it says of models contradicts itself.
    """
    from rerankd.artifacts.settings import ArtifactSettings
    from rerankd.artifacts.store import ArtifactStore

    models = config.models
    default, local = config.model, dict(models.local)
    directory = Path(default).expanduser()
    # Only configuration may name a directory: requests see the name of its last part.
    if default not in local and is_directory(default):
        default = directory.resolve().name
        local.setdefault(default, directory)
    elif _is_foreign(default, models.aliases, others):
        default = "default"
    named = (*config.warmup.models, config.reranking.local_model, config.reranking.learning_model)
    try:
        return ArtifactStore(
            ArtifactSettings(
                cache_dir=models.cache_dir,
                offline=models.offline,
                default_model=default,
                # What the operator names may be requested as well.
                allow=(*models.allow, *filter(None, named), *config.reranking.fallback_models),
                aliases={
                    alias: target
                    for alias, target in models.aliases.items()
                    if not _is_foreign(target, models.aliases, others)
                },
                local=local,
                precision=models.precision,
                precisions=models.precisions,
                revisions=models.revisions,
                hub_token=models.hub_token.get_secret_value() if models.hub_token else None,
            )
        )
    except (ValueError, RerankdError) as error:
        raise StartupError(f"models: {error}") from error


def is_directory(model: str) -> bool:
    """Whether what a configuration names as `model` is a directory and no name."""
    return Path(model).expanduser().is_absolute() or model.startswith((".", "~"))


class _LocalModels:
    """Cross-encoders that run here: the last source, which answers for every name."""

    def __init__(self, config: Config, others: Sequence[ModelSource]) -> None:
        self._config = config
        self._store = build_store(config, others)

    def find(self, name: str) -> str | None:
        return self._store.canonical(name)

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        return self._store.aliases_of(model_id)

    def names(self) -> Sequence[str]:
        return [listing.id for listing in self._store.listing()]

    def load(self, model_id: str, report: ProgressReporter) -> AnyBackend:
        # Imported in the loading thread: the runtime takes longer to import than the doors to open.
        from rerankd.backends.onnx import load

        return load(self._store.fetch(model_id, report), onnx_settings(self._config), report)


def onnx_settings(config: Config, *, precision: str = "") -> OnnxSettings:
    """How local models compute; `precision` is in place of the configured one."""
    from rerankd.backends.onnx import CudaGraphs, OnnxSettings, Precision, Provider, TokenizerLibrary

    onnx = config.onnx
    return OnnxSettings(
        provider=Provider(onnx.provider),
        device_id=onnx.device_id,
        threads=onnx.threads,
        lanes=onnx.lanes,
        batch_tokens=onnx.batch_tokens,
        max_tokens=onnx.max_tokens,
        tokenizer=TokenizerLibrary(onnx.tokenizer),
        token_cache_bytes=onnx.token_cache_mib << 20,
        precision=Precision(precision or onnx.precision),
        cuda_graphs=CudaGraphs(onnx.cuda_graphs),
        cache_dir=config.models.cache_dir / "rerankd" / "graphs",
    )


def learned_models(config: Config) -> LearnedModels:
    """The models that were trained and promoted here."""
    from rerankd.training.promotion import LearnedModels, RevisionStore

    training = config.training
    store = RevisionStore(Layout(training.directory), kept_revisions=training.promotion.kept_revisions)

    def open_model(files: ModelFiles, report: ProgressReporter) -> AnyBackend:
        from rerankd.backends.onnx import load

        return load(files, onnx_settings(config, precision=_learned_precision(config)), report)

    return LearnedModels(store, open_model)


class _LearnedModels:
    """The same, looked at only when somebody names one: a server that has none does not import the room."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def _models(self) -> LearnedModels:
        return learned_models(self._config)

    def find(self, name: str) -> str | None:
        return self._models.find(name) if name.startswith("learning/") else None

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        return ()

    def names(self) -> Sequence[str]:
        has_some = (self._config.training.directory / "models").is_dir()
        return self._models.names() if has_some else ()

    def load(self, model_id: str, report: ProgressReporter) -> AnyBackend:
        return self._models.load(model_id, report)


def build_learning(config: Config, engine: Engine | None = None) -> Learning:
    """The learning reranker of a configuration; nothing is opened yet.

    `engine`: what serves in this process, if anything does.

    Raises:
        StartupError: The extra `train` is not installed, or what is said of models contradicts itself.
    """
    from rerankd.training.opening import ExtraMissingError, open_learning

    store = build_store(config)
    try:
        return open_learning(
            config.training,
            models=learned_models(config),
            local_files=lambda name: store.fetch(store.canonical(name), lambda *_: None),
            settings=onnx_settings(config),
            learned_settings=onnx_settings(config, precision=_learned_precision(config)),
            registry=engine.registry if engine is not None else None,
            default_model=engine.registry.canonical("") if engine is not None else "",
        )
    except ExtraMissingError as error:
        raise StartupError(str(error)) from error


def _learned_precision(config: Config) -> str:
    """An int8 export is made for int8 products; any other computes as all models do."""
    return "int8" if config.training.promotion.precision == "int8" else ""


def _plugins(config: Config) -> Sequence[ModelSource]:
    from rerankd.backends.plugin import PluginModels
    from rerankd.backends.remote import RemoteModels

    plugins = config.plugins
    remotes = {name: _remote(name, remote) for name, remote in plugins.remotes.items()}
    return (
        PluginModels(allow=plugins.allow, max_concurrency=plugins.max_concurrency),
        RemoteModels(remotes),
    )


def _remote(name: str, remote: RemoteConfig) -> RemoteSettings:
    from rerankd.backends.remote import RemoteSettings

    token = remote.token.get_secret_value() if remote.token else None
    try:
        return RemoteSettings(token=token, **remote.model_dump(exclude={"token"}))
    except ValueError as error:
        raise ValueError(f"plugins.remotes.{name}: {error}") from None


def _providers(config: Config) -> Sequence[ModelSource]:
    from rerankd.backends.cloud import CloudModels, CloudSettings, ProviderSettings

    def account(provider: ProviderConfig) -> ProviderSettings:
        key = provider.api_key
        return ProviderSettings(
            api_key=key.get_secret_value() if key else None, **provider.model_dump(exclude={"api_key"})
        )

    cloud = config.cloud
    settings = CloudSettings(
        cohere=account(cloud.cohere),
        voyage=account(cloud.voyage),
        jina=account(cloud.jina),
        **cloud.model_dump(exclude={"cohere", "voyage", "jina"}),
    )
    return (CloudModels(settings),)


def _is_foreign(name: str, aliases: Mapping[str, str], others: Sequence[ModelSource]) -> bool:
    seen: set[str] = set()
    while name in aliases and name not in seen:
        seen.add(name)
        name = aliases[name]
    try:
        return any(source.find(name) is not None for source in others)
    except ModelNotFoundError:
        # It is for that source to say why there is no such model, when it is asked for.
        return True
