"""From a configuration to the doors: where they listen, whom they let in, how patient they are."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rerankd.access.certificates import CertificateError, Certificates
from rerankd.access.composition import Gatekeeping
from rerankd.access.key_file import KeyFileError
from rerankd.assembly import StartupError
from rerankd.config import Config
from rerankd.grpc_api.server import GrpcSettings, bracketed

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from rerankd.diagnostics.bundle import Bundler
    from rerankd.http_api.door import Door
    from rerankd.http_api.server import HttpServer
    from rerankd.reconfiguration.reconfiguration import Reconfiguration


def prepare_process() -> None:
    """What a process does for itself before it opens doors."""
    # A connection is a file, and the soft limit is often 1,024; the hard one is the operator's word.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def gatekeeping_of(config: Config) -> Gatekeeping:
    """Keys and certificates; raises StartupError where a file of them cannot be used."""
    try:
        return Gatekeeping(config)
    except (KeyFileError, CertificateError) as error:
        raise StartupError(str(error)) from error


def grpc_settings(config: Config) -> GrpcSettings:
    """Where and how the gRPC door listens."""
    return GrpcSettings(
        host=config.host,
        port=config.grpc_port,
        max_receive_bytes=config.limits.max_receive_bytes,
        reflection=config.server.reflection,
        max_connection_age_seconds=config.server.max_connection_age_seconds,
        max_connection_age_grace_seconds=config.server.max_connection_age_grace_seconds,
        min_client_ping_seconds=config.server.min_client_ping_seconds,
        max_connection_idle_seconds=config.server.max_connection_idle_seconds,
        max_connections=config.server.max_connections,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRoutes:
    """Routes of the HTTP door that are nobody's dialect, and what OpenAPI says of them."""

    routes: list[BaseRoute]
    paths: dict[str, Any]


def own_routes(
    config: Config, reconfiguration: Reconfiguration, bundler: Bundler, grpc_port: int
) -> OwnRoutes:
    """Configuration, the debug bundle, and the playground where it is not turned off."""
    from rerankd.http_api.configuration import configuration_routes
    from rerankd.http_api.diagnostics import diagnostics_paths, diagnostics_routes
    from rerankd.http_api.openapi.configuration import configuration_paths
    from rerankd.http_api.playground.routes import playground_paths, playground_routes

    routes: list[BaseRoute] = [*configuration_routes(reconfiguration), *diagnostics_routes(bundler)]
    paths = {**configuration_paths(), **diagnostics_paths()}
    if config.http.playground:
        routes += playground_routes(grpc_port)
        paths |= playground_paths()
    return OwnRoutes(routes=routes, paths=paths)


def http_server(config: Config, door: Door, certificates: Certificates | None) -> HttpServer:
    """The HTTP door's listener; raises StartupError where its address cannot be listened on."""
    from rerankd.http_api.connections import Patience
    from rerankd.http_api.server import HttpServer

    host, port = config.host, config.http_port
    patience = Patience(
        header_seconds=config.http.header_timeout_seconds, reader_seconds=config.server.stream_idle_seconds
    )
    try:
        return HttpServer(
            door,
            host,
            port,
            certificates=certificates,
            max_connections=config.server.max_connections,
            patience=patience,
        )
    except OSError as error:
        raise StartupError(f"cannot listen on {bracketed(host)}:{port}: {error.strerror}") from error
