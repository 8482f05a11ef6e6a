"""Every method that the gRPC door serves, and every status code that it can end with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from rerankd.telemetry.call_metrics import Method
from rerankd.v1 import config_service_pb2, rerank_service_pb2

_TYPES = {
    (False, False): "unary",
    (True, False): "client_stream",
    (False, True): "server_stream",
    (True, True): "bidi_stream",
}


def _methods() -> Iterator[Method]:
    for module in (rerank_service_pb2, config_service_pb2, health_pb2, reflection_pb2):
        # The stubs of descriptors tell nothing of streaming.
        services: Any = module.DESCRIPTOR.services_by_name.values()
        for service in services:
            for method in service.methods:
                kind = (method.client_streaming, method.server_streaming)
                yield Method(path=f"/{service.full_name}/{method.name}", type=_TYPES[kind])


METHODS = tuple(_methods())
CODES = tuple(code.name for code in grpc.StatusCode)
