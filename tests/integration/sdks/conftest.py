"""What the tests of SDKs share: a server, its gRPC client, and the drivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sdk_runs import Sdks
from support.http_server import http_server
from support.servers import ServerProcess

from rerankd.client import Client


@pytest.fixture(scope="package")
def sdk_server() -> Iterator[ServerProcess]:
    with http_server() as server:
        yield server


@pytest.fixture(scope="package")
def grpc_client(sdk_server: ServerProcess) -> Iterator[Client]:
    with Client(sdk_server.target) as client:
        yield client


@pytest.fixture(scope="package")
def sdks(sdk_server: ServerProcess) -> Iterator[Sdks]:
    with closing(Sdks(sdk_server.http_url)) as sdks:
        yield sdks
