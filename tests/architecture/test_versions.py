"""One version number for the server and all clients."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import rerankd

ROOT = Path(__file__).resolve().parents[2]


def found(path: str, pattern: str) -> str:
    match = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"))
    assert match, f"{path} holds no version"
    return match[1]


def of_json(path: str) -> str:
    version: str = json.loads((ROOT / path).read_text(encoding="utf-8"))["version"]
    return version


VERSIONS = {
    "pyproject.toml": tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ],
    "go": found("clients/go/version.go", r'"(\d+\.\d+\.\d+)"'),
    "java": found("clients/java/pom.xml", r"<version>(.+?)</version>"),
    "typescript": of_json("clients/typescript/package.json"),
    "typescript's lock": of_json("clients/typescript/package-lock.json"),
    "the changelog": found("CHANGELOG.md", r"\n## (\S+)"),
}


@pytest.mark.parametrize("place", VERSIONS)
def test_every_place_has_the_same_version(place: str) -> None:
    assert VERSIONS[place] == rerankd.__version__


def test_no_comment_is_newer_than_the_version() -> None:
    newest = tuple(int(part) for part in rerankd.__version__.split(".")[:2])
    for proto in (ROOT / "protos" / "rerankd").rglob("*.proto"):
        for major, minor in re.findall(r"// Since (\d+)\.(\d+)\.", proto.read_text(encoding="utf-8")):
            assert (int(major), int(minor)) <= newest, proto
