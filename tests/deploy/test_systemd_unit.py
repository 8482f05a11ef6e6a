"""The unit of systemd, and what it counts on: that the server says when it is ready and when it goes."""

from __future__ import annotations

import configparser
import shutil
import signal
import socket
from pathlib import Path

import pytest
from support.deploy_tools import ROOT, run
from support.servers import ServerProcess

from rerankd import service_manager
from rerankd.config import Config

UNIT = ROOT / "deploy" / "systemd" / "rerankd.service"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit on a machine that has the program."""
    program = tmp_path / "rerankd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "rerankd.service"
    unit.write_text(UNIT.read_text().replace("/opt/rerankd/bin/rerankd", str(program)))
    return unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize(
    "check", [("verify",), ("security", "--offline=true", "--threshold=20")], ids=["verify", "security"]
)
def test_systemd_has_nothing_to_say(installed: Path, check: tuple[str, ...]) -> None:
    done = run("systemd-analyze", *check, installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr


def test_the_unit_waits_as_long_as_the_server_may_take() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(UNIT)
    service, config = parser["Service"], Config()
    assert (
        float(service["TimeoutStopSec"])
        >= config.server.grace_seconds + config.server.drain_delay_seconds + 5
    )
    assert float(service["TimeoutStartSec"]) > config.warmup.timeout_seconds
    assert service["Type"] == "notify"
    assert service["KillMode"] == "mixed"


def test_a_server_says_when_it_is_ready_and_when_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        server = ServerProcess({})
        assert manager.recv(100) == b"READY=1"
        server.send_signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        assert server.wait() == 0


def test_an_abstract_name_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0rerankd-test-{id(manager)}")
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@rerankd-test-{id(manager)}")
        service_manager.tell(service_manager.READY)
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nowhere/at/all"])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    service_manager.tell(service_manager.READY)
