"""One clone for all pages, with the programs that a reader is expected to have on the PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sections import Ports
from support.clone import make_clone
from support.deploy_tools import tool
from support.go_tools import program
from support.servers import ServerProcess

TOOLCHAINS = ("go", "mvn", "java", "npm", "node", "curl", "openssl")
TOKEN = "change-me"
"""The one that the README exports."""


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def environment(clone: Path) -> dict[str, str]:
    """The PATH of a reader; skips where a toolchain is missing, which with CI=true is a failure."""
    missing = [name for name in TOOLCHAINS if shutil.which(name) is None]
    if missing:
        message = f"{' and '.join(missing)} not found on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{message}; with CI=true no command goes untested", pytrace=False)
        pytest.skip(message)
    folders = [clone / ".venv" / "bin", program("grpcurl").parent, Path(tool("helm")).parent]
    # Not by the folder of helm: it holds another Python.
    tools = clone / ".venv" / "tools"
    tools.mkdir()
    for name, folder in (("grpcurl", folders[1]), ("helm", folders[2])):
        (tools / name).symlink_to(folder / name)
    return {"PATH": f"{folders[0]}:{tools}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="session")
def started() -> Iterator[Ports]:
    """The server that a reader has started in the first section."""
    server = ServerProcess({"admin.token": TOKEN})
    yield Ports(grpc=port(server.target), http=port(server.http_url))
    assert server.stop() == 0


def port(address: str) -> int:
    return int(address.rpartition(":")[2])
