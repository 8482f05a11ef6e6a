from __future__ import annotations

import grpc
import pytest
from prometheus_client import CollectorRegistry

from rerankd.access.access import Access
from rerankd.core.errors import OverloadedError, RerankdError
from rerankd.grpc_api.errors import MAX_DETAILS_BYTES, status_from
from rerankd.grpc_api.interceptors import Draining, chain
from rerankd.grpc_api.server import GrpcSettings, bracketed, channel_options
from rerankd.telemetry.call_metrics import Ended, GrpcCalls, InProgress
from rerankd.telemetry.key_metrics import KeyMetrics
from rerankd.telemetry.tracing import NoTracing


def test_the_interceptors_stand_in_the_order_that_was_agreed() -> None:
    registry = CollectorRegistry()
    counts = GrpcCalls(registry, InProgress(registry), Ended(registry, KeyMetrics(registry)))
    every = chain(Draining(), Access(), tracing=NoTracing(), counts=counts)
    names = [interceptor.name for interceptor in every]
    looking_on = ["tracing", "request-id", "metrics", "logging"]
    assert names == [*looking_on, "errors", "access", "draining", "replies"]


@pytest.mark.parametrize("size", [1, 400, 4000, 100_000])
@pytest.mark.parametrize("letter", ["x", "é", "\N{PILE OF POO}", "\ud800"])
def test_details_fit_into_trailers_whatever_an_error_says(size: int, letter: str) -> None:
    error = OverloadedError(
        letter * size,
        metadata={f"key{i}": letter * size for i in range(8)},
        field=letter * size,
        retry_after_seconds=2.0,
    )
    message, trailers = status_from(error)
    details = dict(trailers)["grpc-status-details-bin"]
    assert len(details) <= MAX_DETAILS_BYTES
    assert message
    assert message.encode("utf-8")


def test_a_retry_delay_is_told_in_milliseconds() -> None:
    _, trailers = status_from(OverloadedError("full", retry_after_seconds=0.0514))
    assert dict(trailers)["grpc-retry-pushback-ms"] == "51"


def test_an_error_without_a_delay_leaves_the_retry_to_the_client() -> None:
    _, trailers = status_from(OverloadedError("full"))
    assert "grpc-retry-pushback-ms" not in dict(trailers)


def test_every_code_of_the_table_is_a_code_of_grpc() -> None:
    def specs(kind: type[RerankdError]) -> set[str]:
        return {kind.spec.grpc, *(code for sub in kind.__subclasses__() for code in specs(sub))}

    codes = {code for kind in RerankdError.__subclasses__() for code in specs(kind)}
    assert codes <= {code.name for code in grpc.StatusCode}


def settings(**changes: float) -> GrpcSettings:
    return GrpcSettings(host="::1", port=0, max_receive_bytes=1, **changes)  # type: ignore[arg-type]


def test_zero_turns_the_age_of_connections_off() -> None:
    assert dict(channel_options(settings()))["grpc.max_connection_age_ms"] == 1_800_000
    assert dict(channel_options(settings()))["grpc.max_connection_age_grace_ms"] == 120_000
    endless = dict(channel_options(settings(max_connection_age_seconds=0)))
    assert not [name for name in endless if "age" in name and "message" not in name]
    patient = dict(channel_options(settings(max_connection_age_grace_seconds=0)))
    assert "grpc.max_connection_age_grace_ms" not in patient


def test_options_fit_the_core_of_grpc() -> None:
    ages = settings(max_connection_age_seconds=31_536_000, min_client_ping_seconds=31_536_000)
    assert all(-(2**31) <= value < 2**31 for _, value in channel_options(ages))


def test_an_ipv6_host_is_bracketed() -> None:
    assert [bracketed(host) for host in ("::1", "127.0.0.1")] == ["[::1]", "127.0.0.1"]
