"""What a server says of itself when it opens, and how changed files are noticed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from rerankd.access.composition import Gatekeeping, is_loopback
from rerankd.access.key_file import KeyRecord, digest_of, line_of
from rerankd.access.watching import FileWatch, Watched, signature_of
from rerankd.config import load


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("rerankd.example.org", False),
    ],
)
def test_the_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    assert bool([*Gatekeeping(load({"host": host})).warnings()]) is not expected


def test_what_stands_open_is_said(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(line_of("app", KeyRecord(sha256=digest_of("k"))))
    (warning,) = Gatekeeping(load({"host": "0.0.0.0"})).warnings()
    assert warning.startswith("OPEN SERVER: 0.0.0.0")
    (warning,) = Gatekeeping(load({"host": "0.0.0.0", "auth.keys_file": str(keys)})).warnings()
    assert "plain text" in warning
    keys.chmod(0o666)
    (warning,) = Gatekeeping(load({"auth.keys_file": str(keys)})).warnings()
    assert "can be written by anybody" in warning


async def test_changed_files_are_noticed_however_they_are_replaced(tmp_path: Path) -> None:
    file, target = tmp_path / "link", tmp_path / "first"
    target.write_text("1")
    file.symlink_to(target)
    loads: asyncio.Queue[str] = asyncio.Queue()

    async def reload() -> None:
        text = file.read_text() if file.exists() else "gone"
        await loads.put(text)
        if text == "raise":
            raise RuntimeError("cannot be used")

    watch = FileWatch([Watched(paths=[file], reload=reload)], 0.01)
    watch.start()
    async with asyncio.timeout(20):
        assert await loads.get() == "1"
        target.write_text("22")
        assert await loads.get() == "22"
        # As Kubernetes does it: another folder, and a link that is turned.
        second = tmp_path / "second"
        second.write_text("333")
        turned = tmp_path / "turned"
        turned.symlink_to(second)
        os.replace(turned, file)
        assert await loads.get() == "333"
        # A reload that fails does not end the watch.
        second.write_text("raise")
        assert await loads.get() == "raise"
        second.unlink()
        assert await loads.get() == "gone"
        watch.look_now()
        assert await loads.get() == "gone"
    await watch.close()
    assert signature_of(file) is None


async def test_without_an_interval_files_are_read_when_told(tmp_path: Path) -> None:
    loads: asyncio.Queue[None] = asyncio.Queue()

    async def reload() -> None:
        await loads.put(None)

    watch = FileWatch([Watched(paths=[tmp_path], reload=reload)], 0)
    watch.start()
    await asyncio.sleep(0)
    watch.look_now()
    async with asyncio.timeout(20):
        await loads.get()
    assert loads.empty()
    await watch.close()
