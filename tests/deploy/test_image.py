"""The Dockerfile and its locks. No image is built here: that needs a daemon and base images."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.deploy_tools import ROOT, run, tool

from rerankd.cli._app import app
from rerankd.config import env_name, load

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
LOCKS = ROOT / "requirements"
TEXT = DOCKERFILE.read_text()
LINES = re.sub(r"\\\n\s*", "", TEXT).splitlines()


def pins(name: str) -> dict[str, tuple[str, str]]:
    """Package to version and marker."""
    found = re.findall(
        r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\$", (LOCKS / f"{name}.lock").read_text(), re.MULTILINE
    )
    return {f"{package} {marker}": (package, version) for package, version, marker in found}


def test_the_linter_has_nothing_to_say() -> None:
    done = run(tool("hadolint"), DOCKERFILE)
    assert done.returncode == 0, done.stdout


def test_what_is_copied_is_not_ignored() -> None:
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    allowed = {line.removeprefix("!").split("/")[0] for line in ignored if line.startswith("!")}
    copied = [
        source
        for line in LINES
        if line.startswith("COPY") and "--from" not in line
        for source in shlex.split(line)[1:-1]
    ]
    assert set(copied) == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_only_locks_with_hashes_are_installed() -> None:
    installs = [
        part for line in LINES if line.startswith("RUN") for part in line.split("&&") if "pip install" in part
    ]
    assert len(installs) == 4
    for install in installs:
        locks = re.findall(r"requirements/\S+", install)
        if "--no-deps" in install:
            assert "--no-build-isolation ." in install
            continue
        assert "--require-hashes" in install
        assert all((ROOT / lock).exists() for lock in locks)
        assert len(locks) == 1


@pytest.mark.parametrize("image", ["image-cpu", "image-cuda"])
def test_images_have_the_versions_that_are_tested(image: str) -> None:
    tested: dict[str, set[str]] = {}
    for package, version in pins("dev").values():
        tested.setdefault(package, set()).add(version)
    cuda = ("nvidia-", "cuda-")
    for package, version in pins(image).values():
        if package in tested:
            assert version in tested[package], package
        else:
            assert package.startswith(cuda), package


def test_the_image_for_cpus_has_the_small_runtime() -> None:
    found = pins("image-cpu")
    assert "onnxruntime " in found
    assert "onnxruntime-gpu sys_platform == 'never'" in found
    assert any(package == "onnxruntime-gpu" for package, _ in pins("image-cuda").values())


def test_nobody_is_root_and_the_process_gets_the_signals() -> None:
    users = [line.split()[1] for line in LINES if line.startswith("USER")]
    assert users == ["65532:65532"]
    # In the form of lists: a shell would be process 1, and would keep SIGTERM to itself.
    for name in ("ENTRYPOINT", "CMD"):
        (command,) = (line.removeprefix(name) for line in LINES if line.startswith(name))
        json.loads(command)
    # The stages that are targets come after the user is set.
    assert TEXT.index("USER") < TEXT.index("AS cuda") < TEXT.index("AS cpu")


def test_its_variables_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = dict(re.findall(r"(RERANKD_\w+)=(\S+)", TEXT))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config = load()
    assert config.host == "0.0.0.0"
    assert config.models.cache_dir == Path("/var/cache/rerankd")
    assert env_name("models.cache_dir") in variables
    ports = next(line for line in LINES if line.startswith("EXPOSE")).split()[1:]
    assert ports == [str(config.grpc_port), str(config.http_port)]


def test_the_health_check_is_a_command_that_exists() -> None:
    (check,) = (line for line in LINES if line.startswith("HEALTHCHECK"))
    program, *arguments = json.loads(check.partition("CMD ")[2])
    assert program in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    told = CliRunner().invoke(app, [*arguments, "--help"])
    assert told.exit_code == 0, told.output
