"""When certificates end. Python reads those of peers and authorities, so a handshake tells a server's."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: one that has expired is to be told of as well."""


def not_after(certificate: Path, key: Path) -> datetime | None:
    """The end of a server's certificate; None where it cannot be told."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.load_verify_locations(certificate)
    # The certificate vouches for itself: who signed it is for clients to judge.
    client_side.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = client_side.wrap_bio(to_client, to_server)
    try:
        for _ in range(4):
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLError:
        return None
    return _end_of(client.getpeercert() or {})


def first_not_after(authorities: Path) -> datetime | None:
    """The end of the authority in a file that ends first; None where none can be told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(authorities)
    ends = [end for told in context.get_ca_certs() if (end := _end_of(told)) is not None]
    return min(ends, default=None)


def _end_of(told: Mapping[str, object]) -> datetime | None:
    """The end of a certificate as Python tells it."""
    end = told.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) if isinstance(end, str) else None
