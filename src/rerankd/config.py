"""Every setting of the server: its name, default, bounds and where its value came from.

A value is looked for in this order: flag, environment variable, TOML file, default. The field
docstrings are the reference page.
"""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from rerankd.config_sources import (
    FILE_VARIABLE,
    Given,
    Source,
    env_name,
    explain,
    from_environment,
    from_file,
    from_flags,
)
from rerankd.core.limits import Limits

_LIMITS = Limits()
_INT32_MAX = 2**31 - 1


class ConfigError(Exception):
    """The configuration cannot be used; one line for each problem.

    Attributes:
        problems: What is wrong: the key, where it came from, what is allowed.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "rerankd"


def _expand_home(value: object) -> object:
    return os.path.expanduser(value) if isinstance(value, str) else value


HomePath = Annotated[Path, BeforeValidator(_expand_home)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=0, le=_INT32_MAX)]
Positive = Annotated[int, Field(ge=1, le=_INT32_MAX)]
Precision = Annotated[str, Field(pattern=r"^(auto|fp32|fp16|bf16|int8|[\w./-]+\.onnx)$")]
Seconds = Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]

_TYPE_NAMES: tuple[tuple[object, str], ...] = (
    (bool, "true or false"),
    (int, "integer"),
    (float, "number"),
    (str, "text"),
    (tuple, "list"),
    (dict, "table"),
    (Path, "path"),
    (HomePath | None, "path"),
    (SecretStr | None, "secret"),
)


class _Section(BaseModel):
    # Not `use_attribute_docstrings`: it parses this file once for each class, at every start.
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelsConfig(_Section):
    """Which models a request may name, and where their files come from."""

    allow: tuple[str, ...] = ()
    """Patterns (`BAAI/*`) of Hub repositories that requests may load besides the models named here."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other names for models: alias to id, preset or name."""
    local: dict[str, HomePath] = Field(default_factory=dict)
    """Models in directories: name to directory with the ONNX graph and tokenizer.json."""
    cache_dir: HomePath = Field(
        default_factory=_default_cache,
        json_schema_extra={"default_text": "$XDG_CACHE_HOME/rerankd, else ~/.cache/rerankd"},
    )
    """Where downloaded models are kept."""
    offline: bool = False
    """Never use the network: a model that is not in the cache fails to load."""
    precision: Precision = "auto"
    """Stored precision to load where a model offers several: auto (the most exact one), fp32, fp16, bf16,
    int8, or the path of a graph inside the repository."""
    precisions: dict[str, Precision] = Field(default_factory=dict)
    """Precision of single models: id to precision."""
    revisions: dict[str, str] = Field(default_factory=dict)
    """Pinned revisions of Hub repositories: id to commit, tag or branch."""
    hub_token: SecretStr | None = None
    """Token for gated Hub repositories; better given by environment than by file."""


class OnnxConfig(_Section):
    """How local models run."""

    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """What executes the graph; auto = CUDA where it works, else CPU."""
    device_id: Annotated[int, Field(ge=0, le=1023)] = 0
    """Which GPU."""
    precision: Literal["auto", "fp32", "fp16", "int8"] = "auto"
    """What models compute in, whatever their files store: auto = as stored, fp32 on a CPU. int8, on a
    CPU only, is about twice as fast and moves scores by some hundredths of a logit, the same for any
    neighbours; fp16 needs a GPU. A model that int8 would harm stays in float; Status tells."""
    threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """Compute threads over all lanes; 0 = the cores that this process may use."""
    lanes: Annotated[int, Field(ge=1, le=256)] = 1
    """Sessions that score side by side, sharing the threads; each holds its own copy of the model."""
    batch_tokens: Count = 0
    """Padded tokens of one micro-batch; 0 = what suits the device."""
    max_tokens: Count = 0
    """Longest pair of query and document in tokens; 0 = the model's own limit."""


class LimitsConfig(_Section):
    """Bounds on requests; Status tells the ones in force."""

    max_documents: Positive = _LIMITS.max_documents
    """Documents of one unary request."""
    max_receive_bytes: Annotated[int, Field(ge=65_536, le=_INT32_MAX)] = _LIMITS.max_receive_bytes
    """Largest message that the server receives."""
    max_chunk_bytes: Annotated[int, Field(ge=1024, le=_INT32_MAX)] = _LIMITS.max_chunk_bytes
    """Largest chunk of documents in a stream."""
    max_query_bytes: Positive = _LIMITS.max_query_bytes
    """Longest query, in bytes of UTF-8."""
    max_document_bytes: Positive = _LIMITS.max_document_bytes
    """Longest scored text of a document, in bytes of UTF-8."""
    max_batch_requests: Positive = _LIMITS.max_batch_requests
    """Requests of one RerankBatch."""
    max_document_fields: Positive = _LIMITS.max_document_fields
    """Names in `document_fields`."""
    stream_window_documents: Positive = _LIMITS.stream_window_documents
    """Documents of one stream that are read and not yet answered; beyond them reading stops."""
    max_stream_results: Positive = _LIMITS.max_stream_results
    """Results that a stream with `top_n` = 0 keeps."""
    max_snapshot_results: Positive = _LIMITS.max_snapshot_results
    """Largest `top_n` of a stream with snapshots or returned documents."""
    max_queued_tokens: Positive = _LIMITS.max_queued_tokens
    """Tokens that may wait for a score; beyond them a unary call is refused as OVERLOADED."""
    max_request_seconds: Annotated[float, Field(gt=0, le=86_400)] = _LIMITS.max_request_seconds
    """Longest time of a unary call that brings no deadline."""


class CacheConfig(_Section):
    """Scores that are kept, so that a pair that comes again needs no inference."""

    max_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 64
    """Memory for scores, about 3,600 to the MiB; the least recently used go first. 0 keeps none."""


class WarmupConfig(_Section):
    """What is ready before the first request."""

    mode: Literal["startup", "lazy", "none"] = "startup"
    """startup: SERVING only after the default model and `models` are loaded, exercised and probed; a
    model that cannot be loaded ends the process. lazy: SERVING at once, a model loads when the first
    request or Warmup names it. none: SERVING at once, only Warmup loads a model; a request for one
    that is not loaded gets MODEL_LOADING at once."""
    models: tuple[str, ...] = ()
    """Models to warm besides the default one; they may be requested too."""
    samples: HomePath | None = None
    """JSONL file of requests to run at warm-up: `{"query": "...", "documents": ["...", ...]}`."""
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Longest time for one model, download included."""


class ServerConfig(_Section):
    """Connections and shutdown."""

    grace_seconds: Seconds = 30.0
    """After SIGTERM, time for calls under way; what is left then fails with DRAINING."""
    drain_delay_seconds: Seconds = 0.0
    """After SIGTERM, time in which new calls are still served while health says NOT_SERVING, so that
    load balancers can look away first."""
    reflection: bool = True
    """Whether gRPC reflection lists the services."""
    max_connection_age_seconds: Seconds = 1800.0
    """Age at which a connection is asked to reconnect, so that load spreads again; 0 = never."""
    max_connection_age_grace_seconds: Seconds = 120.0
    """Time for the calls of a connection that has reached its age; 0 = as long as they take."""
    min_client_ping_seconds: Seconds = 30.0
    """Closest keepalive pings that a client may send; one that pings faster is disconnected."""


class LogConfig(_Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe line that is written."""
    format: Literal["auto", "json", "text"] = "auto"
    """json, text, or auto: text on a terminal, else json."""


class Config(_Section):
    """The settings of one server; immutable."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` = every interface."""
    grpc_port: Port = 50051
    """Port of the gRPC service; 0 = any that is free."""
    http_port: Port = 8080
    """Port of /health and /metrics; 0 = any that is free."""
    http_enabled: bool = True
    """Whether /health and /metrics are served."""
    model: Annotated[str, Field(min_length=1)] = "default"
    """Model of requests that name none: an id, preset, alias or a directory."""
    # Made when the configuration is: the cache's place is the environment's to say.
    models: ModelsConfig = Field(default_factory=ModelsConfig)
    onnx: OnnxConfig = OnnxConfig()
    limits: LimitsConfig = LimitsConfig()
    cache: CacheConfig = CacheConfig()
    warmup: WarmupConfig = WarmupConfig()
    server: ServerConfig = ServerConfig()
    log: LogConfig = LogConfig()

    _sources: Mapping[str, Source] = PrivateAttr(default_factory=dict)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """One setting, as the reference page shows it."""

    key: str
    type: str
    default: str
    env: str
    description: str


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
    fields = dict(_leaves())
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
    for key, _ in _leaves():
        value: object = config
        for name in key.split("."):
            value = getattr(value, name)
        rows.append((key, _text(value), config._sources.get(key, "default")))
    return rows


def reference() -> list[ReferenceRow]:
    """Every setting, for the documentation."""
    descriptions = _docstrings()
    return [
        ReferenceRow(
            key=key,
            type=_type_text(field),
            default=_default_text(field),
            env=env_name(key),
            description=descriptions[_owner(key).__name__][key.rpartition(".")[2]],
        )
        for key, field in _leaves()
    ]


def _docstrings() -> dict[str, dict[str, str]]:
    """The text under each field: class name, then field name."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    return {
        section.name: {
            field.target.id: " ".join(str(text.value.value).split())
            for field, text in itertools.pairwise(section.body)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        }
        for section in tree.body
        if isinstance(section, ast.ClassDef)
    }


def _owner(key: str) -> type[BaseModel]:
    section = Config.model_fields.get(key.partition(".")[0])
    assert section is not None  # noqa: S101 - keys come from _leaves
    kind = section.annotation
    return kind if isinstance(kind, type) and issubclass(kind, _Section) else Config


def _leaves(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Section):
            yield from _leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _default_text(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["default_text"])
    return _text(field.get_default(call_default_factory=True))


def _type_text(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " | ".join(get_args(field.annotation))
    origin = get_origin(field.annotation)
    kind = origin if origin in (tuple, dict) else field.annotation
    name = next((name for known, name in _TYPE_NAMES if known == kind), str(kind))
    low = next((f"{m.ge}" for m in field.metadata if isinstance(m, Ge)), "above 0")
    high = next((f"{m.le}" for m in field.metadata if isinstance(m, Le)), "")
    return f"{name}, {low} to {high}" if high else name
