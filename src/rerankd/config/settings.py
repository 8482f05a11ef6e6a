"""The configuration of one server: its parts, and how it is read.

A value is looked for in this order: flag, environment variable, TOML file, default.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError, model_validator
from pydantic.fields import FieldInfo

from rerankd.config.access import AuthConfig, TlsConfig
from rerankd.config.delegated import CloudConfig, PluginsConfig
from rerankd.config.reranking import RerankingConfig
from rerankd.config.sections import (
    AdminConfig,
    CacheConfig,
    HttpConfig,
    LimitsConfig,
    LogConfig,
    ModelsConfig,
    OnnxConfig,
    ServerConfig,
    TracingConfig,
    WarmupConfig,
)
from rerankd.config.sources import (
    FILE_VARIABLE,
    Given,
    Source,
    explain,
    from_environment,
    from_file,
    from_flags,
)
from rerankd.config.training import TrainingConfig
from rerankd.config.types import Port, Section


class ConfigError(Exception):
    """The configuration cannot be used; one line for each problem.

    Attributes:
        problems: What is wrong: the key, where it came from, what is allowed.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Config(Section):
    """The settings of one server; immutable."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` = every interface."""
    grpc_port: Port = 50051
    """Port of the gRPC service; 0 = any that is free."""
    http_port: Port = 8080
    """Port of the HTTP door; 0 = any that is free."""
    http_enabled: bool = True
    """Whether HTTP is served: the rerank routes, /health and /metrics."""
    model: Annotated[str, Field(min_length=1)] = "default"
    """Model of requests that name none: an id, preset, alias or a directory."""
    # Made when the configuration is: the cache's place is the environment's to say.
    models: ModelsConfig = Field(default_factory=ModelsConfig)
    reranking: RerankingConfig = RerankingConfig()
    cloud: CloudConfig = CloudConfig()
    plugins: PluginsConfig = PluginsConfig()
    onnx: OnnxConfig = OnnxConfig()
    limits: LimitsConfig = LimitsConfig()
    cache: CacheConfig = CacheConfig()
    warmup: WarmupConfig = WarmupConfig()
    server: ServerConfig = ServerConfig()
    http: HttpConfig = HttpConfig()
    admin: AdminConfig = AdminConfig()
    tls: TlsConfig = TlsConfig()
    auth: AuthConfig = AuthConfig()
    # Made when the configuration is, as above.
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    log: LogConfig = LogConfig()
    tracing: TracingConfig = TracingConfig()

    _sources: Mapping[str, Source] = PrivateAttr(default_factory=dict)

    def with_reranking(self, section: RerankingConfig, kept: Iterable[str]) -> Config:
        """The same with another section `reranking`, whose `kept` fields are from the state file."""
        other = self.model_copy(update={"reranking": section})
        other._sources = {**self._sources, **dict.fromkeys((f"reranking.{name}" for name in kept), "state")}
        return other

    @model_validator(mode="after")
    def _agree(self) -> Config:
        """Refuses settings that contradict each other."""
        if self.http_enabled and self.grpc_port and self.grpc_port == self.http_port:
            raise ValueError(f"grpc_port and http_port are both {self.grpc_port}; give them different ports")
        if self.limits.max_chunk_bytes > self.limits.max_receive_bytes:
            raise ValueError(
                f"limits.max_chunk_bytes is {self.limits.max_chunk_bytes}, "
                f"above limits.max_receive_bytes ({self.limits.max_receive_bytes})"
            )
        return self


def load(flags: Mapping[str, object] = MappingProxyType({}), config_file: Path | None = None) -> Config:
    """The configuration of this process.

    Args:
        flags: Dotted key to value (`{"warmup.mode": "lazy"}`); None means not given.
        config_file: TOML file; without it the file that `RERANKD_CONFIG` names, if any.

    Raises:
        ConfigError: A key is unknown or a value out of its bounds; all problems at once.
    """
    problems: list[str] = []
    given: dict[str, Given] = {}
    fields = dict(leaves())
    named = os.environ.get(FILE_VARIABLE)
    path = config_file or (Path(named).expanduser() if named else None)
    if path is not None:
        given |= from_file(path, fields, problems)
    given |= from_environment(os.environ, fields, problems)
    given |= from_flags(flags, fields, problems)
    nested: dict[str, Any] = {}
    for key, item in given.items():
        *sections, name = key.split(".")
        table = nested
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = item.value
    try:
        config = Config.model_validate(nested)
    except ValidationError as error:
        raise ConfigError([*problems, *explain(error, given)]) from None
    if problems:
        raise ConfigError(problems)
    config._sources = {key: item.source for key, item in given.items()}
    return config


def show(config: Config) -> list[tuple[str, str, Source]]:
    """Every key with its value, secrets hidden, and where the value came from."""
    rows: list[tuple[str, str, Source]] = []
    for key, _ in leaves():
        value: object = config
        for name in key.split("."):
            value = getattr(value, name)
        rows.append((key, text_of(value), config._sources.get(key, "default")))
    return rows


def leaves(model: type[Section] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting: dotted key and field."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def text_of(value: object) -> str:
    """A value as `config show` prints it."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
