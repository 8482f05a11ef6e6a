"""The clients of each language: what they need, how they are built, which commands their programs are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
TESTS = Path(__file__).resolve().parents[1] / "clients"
EXAMPLES = CLIENTS.parent / "examples"
SECURED = ("{target}", "{ca}", "{cert}", "{key}")
STATICCHECK = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A built client: the commands that run its programs, without their arguments if not said otherwise."""

    name: str
    plain: list[str]
    """Ranks its arguments with nothing but the stubs."""
    rerank_file: list[str]
    """Ranks the lines of a file; takes {target}, {query}, {file} and {top}."""
    probe: list[str]
    """See PROBES.md."""
    secured: list[str]
    """Ranks at a server with mutual TLS; takes {target}, {ca}, {cert} and {key}, then query and texts."""
    traced: list[str]
    """As `plain`, as a part of the trace that TRACEPARENT names; empty = there is no such program."""


def run(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """What a command wrote; fails the test with all of it if the command fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | dict(env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)}:\n{done.stdout}", pytrace=False)
    return done.stdout


def build_python(_folder: Path) -> Client:
    return Client(
        name="python",
        plain=[],
        rerank_file=[
            *(sys.executable, "-m", "rerankd", "rerank", "--server", "{target}"),
            *("--top-n", "{top}", "{query}", "{file}"),
        ],
        probe=[sys.executable, str(TESTS / "probe.py")],
        secured=[sys.executable, str(EXAMPLES / "python" / "secured.py"), *SECURED],
        traced=[],
    )


def build_go(folder: Path) -> Client:
    go = CLIENTS / "go"
    examples = [f"./examples/{name}" for name in ("plain", "rerank_file", "secured", "traced")]
    for package in (*examples, "./internal/probe"):
        run("go", "build", "-o", str(folder / Path(package).name), package, cwd=go)
    flags = ["-target", "{target}", "-top", "{top}", "{query}", "{file}"]
    return Client(
        name="go",
        plain=[str(folder / "plain")],
        rerank_file=[str(folder / "rerank_file"), *flags],
        probe=[str(folder / "probe")],
        secured=[
            *(str(folder / "secured"), "-ca", "{ca}", "-cert", "{cert}", "-key", "{key}", "{target}"),
        ],
        traced=[str(folder / "traced")],
    )


def build_java(folder: Path) -> Client:
    java, jars = CLIENTS / "java", folder / "classpath.txt"
    run(
        *("mvn", "-q", "-B", "test-compile", "dependency:build-classpath"),
        *("-Dmdep.includeScope=test", f"-Dmdep.outputFile={jars}"),
        cwd=java,
    )
    classes = [str(java / "target" / "classes"), str(java / "target" / "test-classes"), jars.read_text()]
    command = ["java", "-cp", os.pathsep.join(classes)]
    return Client(
        name="java",
        plain=[*command, "io.rerankd.examples.PlainExample"],
        rerank_file=[*command, "io.rerankd.examples.RerankFile", "{target}", "{query}", "{file}", "{top}"],
        probe=[*command, "io.rerankd.client.Probe"],
        secured=[*command, "io.rerankd.examples.SecuredExample", *SECURED],
        traced=[*command, "io.rerankd.examples.TracedExample"],
    )


def install_packages(typescript: Path) -> None:
    """Brings node_modules to the state of the lock file."""
    lock, installed = typescript / "package-lock.json", typescript / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run("npm", "ci", "--no-audit", "--no-fund", cwd=typescript)


def build_typescript(_folder: Path) -> Client:
    typescript = CLIENTS / "typescript"
    install_packages(typescript)
    for script in ("build", "check", "build:test"):
        run("npm", "run", script, cwd=typescript)
    return Client(
        name="typescript",
        plain=["node", str(typescript / "examples" / "plain.mjs")],
        rerank_file=[
            *("node", str(typescript / "examples" / "rerank_file.mjs")),
            *("{target}", "{query}", "{file}", "{top}"),
        ],
        probe=["node", "--expose-gc", str(typescript / "dist-test" / "test" / "probe.js")],
        secured=["node", str(typescript / "examples" / "secured.mjs"), *SECURED],
        traced=[],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What a client needs on the PATH, and what builds it."""

    programs: tuple[str, ...]
    build: Callable[[Path], Client]


LANGUAGES = {
    "python": Language(programs=(), build=build_python),
    "go": Language(programs=("go",), build=build_go),
    "java": Language(programs=("mvn", "java", "javac"), build=build_java),
    "typescript": Language(programs=("npm", "node"), build=build_typescript),
}


def require(name: str) -> None:
    """Skips the test where a toolchain is missing; with CI=true that is a failure."""
    missing = [program for program in LANGUAGES[name].programs if shutil.which(program) is None]
    if not missing:
        return
    message = f"{' and '.join(missing)} not found on the PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}; with CI=true no client goes untested", pytrace=False)
    pytest.skip(message)
