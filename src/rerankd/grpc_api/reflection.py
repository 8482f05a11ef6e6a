"""Reflection: tools such as grpcurl and ghz learn the contract from the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import grpc.aio
from google.protobuf import descriptor_pool

from rerankd.grpc_api.health import SERVICE
from rerankd.v1.config_service_pb2 import DESCRIPTOR as CONFIGURATION

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor


def add_reflection(server: grpc.aio.Server, more: Sequence[str] = ()) -> None:
    """Offers the services of this server, those of other rooms, health and reflection itself."""
    from grpc_health.v1.health_pb2 import DESCRIPTOR as HEALTH
    from grpc_reflection.v1alpha import reflection

    configuration = [service.full_name for service in CONFIGURATION.services_by_name.values()]
    health = [service.full_name for service in HEALTH.services_by_name.values()]
    names = (SERVICE, *configuration, *more, *health, reflection.SERVICE_NAME)
    # It answers all that the library asks of a pool, though it is none.
    pool = cast("descriptor_pool.DescriptorPool", _MethodsToo(descriptor_pool.Default()))
    reflection.enable_server_reflection(names, server, pool)


class _MethodsToo:
    """The pool of descriptors, which also finds the file of a method.

    Python's own pool knows files by messages, enums and services only, while ghz asks for the method.
    """

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - protobuf's name
        """The file that declares a symbol; raises KeyError for an unknown one."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file
