from __future__ import annotations

import pytest

from rerankd.grpc_api.service import peer_host


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.7:51234", "10.0.0.7"),
        ("ipv6:%5B::1%5D:51234", "%5B::1%5D"),
        ("unix:/run/rerankd.sock", "unix:/run/rerankd.sock"),
        ("unix:", "unix:"),
    ],
)
def test_connections_of_one_host_are_one_client(peer: str, host: str) -> None:
    assert peer_host(peer) == host
