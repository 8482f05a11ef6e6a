"""What the server is configured in: models, runtime, limits, cache, start, doors, logs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from rerankd.config.types import Count, HomePath, Positive, Precision, Seconds, Section, default_cache
from rerankd.core.limits import Limits

_LIMITS = Limits()
_INT32_MAX = 2**31 - 1


class ModelsConfig(Section):
    """Which models a request may name, and where their files come from."""

    allow: tuple[str, ...] = ()
    """Patterns (`BAAI/*`) of Hub repositories that requests may load besides the models named here."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other names for models: alias to id, preset or name."""
    local: dict[str, HomePath] = Field(default_factory=dict)
    """Models in directories: name to directory with the ONNX graph and tokenizer.json."""
    cache_dir: HomePath = Field(
        default_factory=default_cache,
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


class OnnxConfig(Section):
    """How local models run."""

    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """What executes the graph; auto = CUDA where it works, else CPU. cuda or tensorrt that does not come up
    fails the load. TensorRT builds an engine at the first load of a model, which takes minutes."""
    device_id: Annotated[int, Field(ge=0, le=1023)] = 0
    """Which GPU."""
    precision: Literal["auto", "fp32", "fp16", "bf16", "int8"] = "auto"
    """What models compute in, whatever their files store: auto = as stored, fp32 on a CPU. int8, on a
    CPU only, is about twice as fast and moves scores by some hundredths of a logit, the same for any
    neighbours; fp16 needs a GPU and moves them by 0.02 and 1 % at most, bf16 needs TensorRT. A model that
    int8 or fp16 would harm stays in fp32; Status tells."""
    cuda_graphs: Literal["off", "auto"] = "off"
    """Whether micro-batches of common shapes run as captured CUDA graphs; auto = up to the size where a
    measurement at load says that they are faster. The CUDA provider only."""
    threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """Compute threads over all lanes; 0 = the cores that this process may use."""
    lanes: Annotated[int, Field(ge=0, le=256)] = 0
    """Micro-batches that are scored side by side, sharing the threads. Lanes of one thread share one copy of
    the model, others hold one each. 0 = on a CPU what two seconds of measuring say when a model is first
    loaded here, and the same ever after; for up to four cores that is mostly a lane for each. A GPU has one
    copy and always two lanes: one puts a micro-batch together while the other's runs."""
    batch_tokens: Count = 0
    """Padded tokens of one micro-batch; 0 = what is measured with the lanes, else 512 on a CPU and 16,384 on
    a GPU, whose queue hands over four fifths of it because shapes are rounded up."""
    max_tokens: Count = 0
    """Longest pair of query and document in tokens; 0 = the model's own limit."""
    tokenizer: Literal["auto", "tokenizers", "wordpiece"] = "auto"
    """What makes the tokens of documents: wordpiece = nanotoken, for models of BERT's family, many times as
    fast with the same tokens, which needs the extra `wordpiece`; a model that it is not for then fails to
    load. auto = that where it is installed and a proof at load finds the same tokens, else tokenizers."""
    token_cache_mib: Annotated[int, Field(ge=0, le=65_536)] = 0
    """Memory for the tokens of documents that come again with other queries, of each model; 0 = none. It pays
    for models of few layers and on GPUs; elsewhere tokenizing is a hundredth of the work. Tokens tell the
    text, which is otherwise forgotten once it is scored."""


class LimitsConfig(Section):
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
    """Most documents of one stream that are read and not yet answered; beyond them reading stops. How many of
    them, the pace of the model says: 256 and 50 ms of work."""
    max_stream_results: Positive = _LIMITS.max_stream_results
    """Results that a stream with `top_n` = 0 keeps."""
    max_snapshot_results: Positive = _LIMITS.max_snapshot_results
    """Largest `top_n` of a stream with snapshots or returned documents."""
    max_queued_tokens: Positive = _LIMITS.max_queued_tokens
    """Tokens that may wait for a score; beyond them a unary call is refused as OVERLOADED."""
    max_request_seconds: Annotated[float, Field(gt=0, le=86_400)] = _LIMITS.max_request_seconds
    """Longest time of a unary call that brings no deadline."""
    max_memory_mib: Annotated[int, Field(ge=0, le=16_777_216)] = _LIMITS.max_memory_mib
    """Memory of the process, in MiB of RAM, above which unary calls are refused as OVERLOADED and streams are
    not read until it has fallen by 3 %; 0 = no ceiling. Set it above what the loaded models take, and below
    the limit of the container. Linux only."""


class CacheConfig(Section):
    """Scores that are kept, so that a pair that comes again needs no inference."""

    max_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 64
    """Memory for scores, about 3,600 to the MiB; the least recently used go first. 0 keeps none."""


class WarmupConfig(Section):
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


class ServerConfig(Section):
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
    max_connection_idle_seconds: Seconds = 600.0
    """Age at which a gRPC connection without calls is closed; clients reconnect by themselves. 0 = never."""
    max_connections: Count = 10_000
    """Most connections of each door at a time; more are refused. 0 = as many as the system allows."""
    stream_idle_seconds: Seconds = 300.0
    """Longest time that the server waits for a stream's next message, or over HTTP for its reader; the stream
    then fails with DEADLINE_EXCEEDED. 0 = as long as it takes."""
    reload_seconds: Seconds = 5.0
    """Pause between two looks at whether the files of keys and certificates have changed; 0 = they are read
    again only at SIGHUP."""


class LogConfig(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe line that is written."""
    format: Literal["auto", "json", "text"] = "auto"
    """json, text, or auto: text on a terminal, else json."""


class TracingConfig(Section):
    """Traces by OpenTelemetry."""

    enabled: bool = False
    """Whether calls are traced, which needs the extra `otel`. Log lines name the trace of a caller who sends
    `traceparent` in any case."""
    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] = "http://localhost:4317"
    """Collector that takes OTLP over gRPC; plain text for http, TLS for https. What it wants to be sent
    besides is read from OTEL_EXPORTER_OTLP_HEADERS."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the calls to trace whose callers did not decide by their `traceparent`."""
    service_name: Annotated[str, Field(min_length=1)] = "rerankd"
    """What the traces call this service; OTEL_RESOURCE_ATTRIBUTES adds to it."""


class HttpConfig(Section):
    """The HTTP door; `http_port` and `http_enabled` say where and whether."""

    accept_any_model: bool = False
    """Whether routes that speak another service's dialect answer a model name that is not known here with
    the default model, for clients that cannot be told another name."""
    header_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
    """Longest time from the first byte of a request, or from the opening of the connection, to the end of
    its headers; the connection is then closed."""
    body_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Longest time for the whole body of a request, which then fails with status 408. Bodies of streams go
    by `server.stream_idle_seconds`."""
    playground: bool = True
    """Whether `GET /` is a page on which a person tries the service. Its files need no key, what it calls
    does; it loads nothing from elsewhere and sends nothing there."""


class AdminConfig(Section):
    """Changes while the server runs."""

    token: SecretStr | None = None
    """Token of those who may change the configuration: a key of the scope admin. Without it only keys of
    that scope may. Better given by environment than by file."""
    state_file: HomePath | None = None
    """File that keeps changes which are to outlive the process; it wins over flags, environment and file.
    Without it no change can be kept."""
