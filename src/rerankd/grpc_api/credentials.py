"""Certificates in the words of gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import grpc

from rerankd.access.certificates import Certificates, Material


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Credentials of a listener: each handshake uses what is in force when it begins."""
    asks_clients = certificates.files.asks_clients
    first = shown = certificates.current

    def configuration(material: Material) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(material.key, material.certificate)], material.client_ca if asks_clients else None
        )

    def changed() -> grpc.ServerCertificateConfiguration | None:
        # Called by threads of gRPC before each handshake; None = nothing has changed.
        nonlocal shown
        latest = certificates.current
        if latest is shown:
            return None
        shown = latest
        return configuration(latest)

    # The stubs do not know that it may answer None, which is how the library itself says "the same".
    fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", changed)
    return grpc.dynamic_ssl_server_credentials(configuration(first), fetch, asks_clients)
