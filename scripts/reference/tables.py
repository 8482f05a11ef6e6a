"""Pages of the tables that the code holds: settings, errors, metrics."""

from __future__ import annotations

from reference.markdown import table
from rerankd.config import reference
from rerankd.core.errors import ERROR_CLASSES
from rerankd.telemetry.metric_table import METRICS

_CONFIGURATION = """\
# Configuration

Each setting is looked for as a flag (`--set KEY=VALUE`; the common ones have flags of their own), then in
the environment, then in the TOML file that `--config` or `RERANKD_CONFIG` names, then its default holds.
Unknown keys are errors. In the environment a list is `a,b` and a table `name=value,...`.
"""
_ERRORS = """\
# Errors

Every failure carries a `google.rpc.ErrorInfo` with domain `rerankd` and one of these reasons; the
metadata keys of each are in [error_reason.proto](../protos/rerankd/v1/error_reason.proto), which
[the API reference](api.md#errorreason) prints.
"""
_METRICS = """\
# Metrics

`GET /metrics` of the HTTP port, in the text format of Prometheus or OpenMetrics. Times are seconds, sizes
bytes. Every series of a method, route, status or reason exists from the start, those of a model from the
moment it is loaded; no label holds an id of a call, of a caller or of a document. The gRPC ones have the
names of go-grpc-middleware; OpenTelemetry's `rpc.server.duration` is `grpc_server_handling_seconds`.
Besides these there are `process_*` and `python_*` of the client library. A dashboard and alerts that use
them are in [deploy/grafana](../deploy/grafana/rerankd.json) and
[deploy/prometheus](../deploy/prometheus/alerts.yaml).
"""


def configuration() -> str:
    """Every setting, from the docstrings under the fields."""
    rows = (
        [f"`{row.key}`", row.type, f"`{row.default}`" if row.default else "", f"`{row.env}`", row.description]
        for row in reference()
    )
    return _page(_CONFIGURATION, table(["key", "type", "default", "environment", "meaning"], rows))


def errors() -> str:
    """Every reason, from the one table of errors."""
    rows = (
        [
            f"`{kind.spec.reason}`",
            f"`{kind.spec.grpc}`",
            str(kind.spec.http),
            "yes" if kind.spec.retryable else "no",
            (kind.__doc__ or "").splitlines()[0],
        ]
        for kind in ERROR_CLASSES
    )
    return _page(_ERRORS, table(["reason", "gRPC code", "HTTP status", "a retry may help", "when"], rows))


def metrics() -> str:
    """Every metric, from the table that registers them."""
    rows = (
        [f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.help]
        for one in METRICS
    )
    return _page(_METRICS, table(["name", "kind", "labels", "what it tells"], rows))


def _page(introduction: str, lines: list[str]) -> str:
    return "\n".join([introduction, *lines])
