"""The locks of the SDKs' environments are those of the pins, and say nothing of where a machine gets them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from test_sdks import APIS

HERE = Path(__file__).parent
PYPROJECT = HERE.parents[2] / "pyproject.toml"
GROUPS: dict[str, list[str]] = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["dependency-groups"]
PINS = {name.removeprefix("sdk-"): pins for name, pins in GROUPS.items() if name.startswith("sdk-")}
FIX = "run scripts/sdk_environments --lock"


def test_every_environment_is_driven_and_locked() -> None:
    assert PINS.keys() == {*APIS, "atheris", "schemathesis"}
    assert {path.stem for path in (HERE / "locks").glob("*.lock")} == PINS.keys(), FIX


@pytest.mark.parametrize("name", PINS)
def test_a_lock_holds_its_pins_with_hashes_and_no_address(name: str) -> None:
    lock = (HERE / "locks" / f"{name}.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", lock.strip())
    locked = {entry.split()[0] for entry in entries}
    wanted = {re.sub(r"\[.*\]", "", pin) for pin in PINS[name]}
    assert wanted <= locked, FIX
    assert all("--hash=sha256:" in entry for entry in entries), FIX
    assert "://" not in lock
