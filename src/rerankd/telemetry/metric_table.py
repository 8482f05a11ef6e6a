"""Every metric of ours: its name, its labels and what it tells. The pages and the documentation follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "info"]

CALL_SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
WORK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DOCUMENTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
TOKENS = (64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16_384.0, 32_768.0)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75)

_METHOD = ("grpc_type", "grpc_service", "grpc_method")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric."""

    name: str
    """As Prometheus shows it: counters end in `_total`, an info in `_info`."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """The name that the library wants, which adds the ending itself."""
        return self.name.removesuffix("_total").removesuffix("_info")


def _counter(name: str, text: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind="counter", help=text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind="gauge", help=text, labels=labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind="histogram", help=text, labels=labels, buckets=buckets)


GRPC_STARTED = _counter("grpc_server_started_total", "Calls that began.", *_METHOD)
GRPC_HANDLED = _counter(
    "grpc_server_handled_total", "Calls that ended, by status code.", *_METHOD, "grpc_code"
)
GRPC_RECEIVED = _counter("grpc_server_msg_received_total", "Messages received of clients.", *_METHOD)
GRPC_SENT = _counter("grpc_server_msg_sent_total", "Messages sent to clients.", *_METHOD)
GRPC_SECONDS = _histogram(
    "grpc_server_handling_seconds", "Seconds from a call's begin to its end.", CALL_SECONDS, *_METHOD
)
HTTP_REQUESTS = _counter(
    "rerankd_http_requests_total",
    "HTTP requests answered; route `other` is every path that is not served, status is 2xx, 3xx, 4xx or 5xx.",
    "route",
    "status",
)
HTTP_SECONDS = _histogram(
    "rerankd_http_request_seconds",
    "Seconds from an HTTP request to the end of its answer.",
    CALL_SECONDS,
    "route",
)
IN_PROGRESS = _gauge("rerankd_calls_in_progress", "Calls that are being answered now, by door.", "door")
ERRORS = _counter(
    "rerankd_errors_total", "Calls of both doors that failed, by the reason of docs/errors.md.", "reason"
)
QUEUE_DOCUMENTS = _gauge("rerankd_queue_documents", "Pairs of a query and a document that wait to be scored.")
QUEUE_TOKENS = _gauge("rerankd_queue_tokens", "Tokens of the pairs that wait to be scored.")
QUEUE_OLDEST = _gauge(
    "rerankd_queue_oldest_seconds", "How long the oldest request with waiting pairs is there."
)
QUEUE_WAIT = _histogram(
    "rerankd_queue_wait_seconds",
    "Seconds from the admission of a request to the begin of the micro-batch with its first pair.",
    WORK_SECONDS,
    "priority",
)
BATCH_DOCUMENTS = _histogram("rerankd_batch_documents", "Pairs in a micro-batch.", DOCUMENTS, "model")
BATCH_TOKENS = _histogram(
    "rerankd_batch_tokens", "Tokens in a micro-batch, without padding.", TOKENS, "model"
)
PADDING = _histogram(
    "rerankd_batch_padding_ratio",
    "Share of a micro-batch's tokens that are padding: 0 = all pairs were of one length.",
    SHARES,
    "model",
)
INFERENCE = _histogram(
    "rerankd_inference_seconds",
    "Seconds that a micro-batch was in the model, or a call at a model elsewhere.",
    WORK_SECONDS,
    "model",
    "backend",
)
BATCH_FAILURES = _counter("rerankd_batch_failures_total", "Micro-batches that gave no scores.", "model")
SCORED = _counter(
    "rerankd_documents_total", "Documents that got a score; those of the score cache count too.", "model"
)
TOKENS_READ = _counter("rerankd_tokens_total", "Tokens that the model read, without padding.", "model")
DROPPED = _counter(
    "rerankd_dropped_total",
    "Documents taken in that never got a score: the caller cancelled, the deadline came first, something "
    "else of the request failed, or the server was draining.",
    "why",
)
TOKENS_PER_SECOND = _gauge(
    "rerankd_tokens_per_second",
    "Tokens that the model scores in a second when it has work, by its last full micro-batches; 0 = none.",
    "model",
)
MODEL_STATE = _gauge(
    "rerankd_model_state", "1 for the state that a model is in, 0 for the others.", "model", "state"
)
LOAD_SECONDS = _gauge(
    "rerankd_load_seconds", "Seconds that each stage of a model's last load took.", "model", "stage"
)
RANKINGS = _counter(
    "rerankd_rankings_total",
    "Rankings given, by outcome and the name that its reason begins with.",
    "outcome",
    "reason",
)
CACHE_HITS = _counter(
    "rerankd_score_cache_hits_total", "Pairs whose score was known, or was being made for another request."
)
CACHE_MISSES = _counter("rerankd_score_cache_misses_total", "Pairs whose score had to be made.")
CACHE_ENTRIES = _gauge("rerankd_score_cache_entries", "Scores that are kept.")
CACHE_BYTES = _gauge("rerankd_score_cache_bytes", "Memory that the kept scores take, about.")
MEMORY_LIMIT = _gauge("rerankd_memory_limit_bytes", "`limits.max_memory_mib` in bytes; 0 = no ceiling.")
MEMORY_EXCEEDED = _gauge(
    "rerankd_memory_exceeded", "1 while memory is above its ceiling and unary calls are refused, else 0."
)
STREAMS_PAUSED = _gauge("rerankd_streams_paused", "Streams that are not read now because memory is short.")
KEY_CALLS = _counter(
    "rerankd_key_calls_total",
    "Calls of both doors that ended and were made with a key of `auth.keys_file`, by the key's name.",
    "key",
)
KEY_TOKENS = _counter(
    "rerankd_key_tokens_total",
    "Tokens that models read for calls with each key, also for those that were cancelled.",
    "key",
)
KEY_REFUSALS = _counter(
    "rerankd_key_refusals_total",
    "Calls with each key that were refused: FORBIDDEN, QUOTA_EXCEEDED or OVERLOADED.",
    "key",
    "reason",
)
TLS_EXPIRY = _gauge(
    "rerankd_tls_expiry_seconds",
    "Seconds until `tls.certificate`, or the first authority in `tls.client_ca`, expires; below 0 after it, "
    "+Inf where there is no such file.",
    "file",
)
BUILD = MetricSpec(name="rerankd_build_info", kind="info", help="What is running.", labels=("version",))

METRICS: tuple[MetricSpec, ...] = (
    GRPC_STARTED,
    GRPC_HANDLED,
    GRPC_RECEIVED,
    GRPC_SENT,
    GRPC_SECONDS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    IN_PROGRESS,
    ERRORS,
    QUEUE_DOCUMENTS,
    QUEUE_TOKENS,
    QUEUE_OLDEST,
    QUEUE_WAIT,
    BATCH_DOCUMENTS,
    BATCH_TOKENS,
    PADDING,
    INFERENCE,
    BATCH_FAILURES,
    SCORED,
    TOKENS_READ,
    DROPPED,
    TOKENS_PER_SECOND,
    MODEL_STATE,
    LOAD_SECONDS,
    RANKINGS,
    CACHE_HITS,
    CACHE_MISSES,
    CACHE_ENTRIES,
    CACHE_BYTES,
    MEMORY_LIMIT,
    MEMORY_EXCEEDED,
    STREAMS_PAUSED,
    KEY_CALLS,
    KEY_TOKENS,
    KEY_REFUSALS,
    TLS_EXPIRY,
    BUILD,
)
"""The table, in the order of the documentation."""
