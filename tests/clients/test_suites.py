"""Every language's own tests, linters and the conformance vectors, against a real server."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree as ET

import pytest
from support.languages import CLIENTS, STATICCHECK, install_packages, require, run

VECTORS = Path(__file__).resolve().parents[1] / "conformance" / "vectors"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


class Server(Protocol):
    """What the fixture `server` of tests/conftest.py gives."""

    target: str


@pytest.fixture
def env(server: Server) -> dict[str, str]:
    """What the conformance runners read."""
    return {"RERANKD_TARGET": server.target, "RERANKD_VECTORS": str(VECTORS), "LC_ALL": "C.UTF-8"}


def vector_names() -> set[str]:
    files = [json.loads(path.read_text(encoding="utf-8")) for path in VECTORS.glob("*.json")]
    return {vector["name"] for file in files for vector in file["vectors"]}


def summary(passed: int, skipped: int) -> str:
    return f"{passed} passed, {skipped} skipped; all {len(vector_names())} conformance vectors agree"


def test_go(env: dict[str, str], summaries: dict[str, str]) -> None:
    require("go")
    go = CLIENTS / "go"
    assert not run("gofmt", "-l", ".", cwd=go)
    run("go", "vet", "./...", cwd=go)
    run("go", "run", STATICCHECK, "./...", cwd=go)
    run("go", "mod", "verify", cwd=go)
    lines = run("go", "test", "-race", "-count=1", "-json", "./...", cwd=go, env=env).splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    ended = [(e["Action"], e["Test"]) for e in events if "Test" in e]
    counts = Counter(action for action, _ in ended)
    passed = {test.removeprefix("TestConformance/") for action, test in ended if action == "pass"}
    assert vector_names() <= passed, vector_names() - passed
    summaries["go"] = summary(counts["pass"], counts["skip"])


def test_java(env: dict[str, str], summaries: dict[str, str]) -> None:
    require("java")
    java = CLIENTS / "java"
    reports = java / "target" / "surefire-reports"
    for report in reports.glob("*.xml"):
        report.unlink()
    run("mvn", "-q", "-B", "test", cwd=java, env=env)
    suites = [ET.parse(path).getroot() for path in reports.glob("TEST-*.xml")]
    cases = [case for suite in suites for case in suite.iter("testcase")]
    skipped = sum(case.find("skipped") is not None for case in cases)
    # Surefire names dynamic tests by their number.
    vectors = sum("ConformanceTest" in case.get("classname", "") for case in cases)
    assert vectors >= len(vector_names())
    summaries["java"] = summary(len(cases) - skipped, skipped)


def test_the_javadoc_is_whole() -> None:
    require("java")
    run("mvn", "-q", "-B", "javadoc:javadoc", cwd=CLIENTS / "java")


def test_typescript(env: dict[str, str], summaries: dict[str, str]) -> None:
    require("typescript")
    typescript = CLIENTS / "typescript"
    install_packages(typescript)
    run("npm", "run", "lint", cwd=typescript)
    told = run("npm", "test", cwd=typescript, env=env)
    counts = {name: int(n) for name, n in re.findall(r"^# (pass|fail|skipped) (\d+)$", told, re.MULTILINE)}
    assert counts["fail"] == 0
    passed = set(re.findall(r"^ *ok \d+ - (\S+)$", told, re.MULTILINE))
    assert vector_names() <= passed, vector_names() - passed
    summaries["typescript"] = summary(counts["pass"], counts["skipped"])
