"""When a certificate ends, told by a handshake in memory: Python reads certificates of peers only."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path


def not_after(certificate: Path, key: Path) -> datetime | None:
    """The end of a server's certificate; None where it cannot be told, as of one that has expired."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.load_verify_locations(certificate)
    # The certificate vouches for itself: who signed it is for clients to judge.
    client_side.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
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
    told = client.getpeercert() or {}
    end = told.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) if isinstance(end, str) else None
