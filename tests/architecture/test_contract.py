"""The contract keeps its own rules, and the committed Python stubs are what it generates."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf import descriptor_pb2

from rerankd.v1 import error_reason_pb2, rerank_service_pb2

ROOT = Path(__file__).resolve().parents[2]
STUBS = ROOT / "src" / "rerankd" / "v1"
TRAINING_STUBS = ROOT / "src" / "rerankd" / "training" / "v1alpha"
SERVICE_CONFIG = "rerankd_grpc_service_config.json"

SERVICE = rerank_service_pb2.DESCRIPTOR.services_by_name["RerankService"]
REASONS = error_reason_pb2.ErrorReason.keys()[1:]  # the first is UNSPECIFIED


def buf(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    beside_python = str(Path(sys.executable).parent)
    program = shutil.which("buf", path=os.pathsep.join([beside_python, os.environ["PATH"]]))
    assert program, "buf is missing: install the dependency group `dev`"
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, check=False)


@pytest.fixture(scope="module")
def files() -> list[descriptor_pb2.FileDescriptorProto]:
    built = buf("build", "--as-file-descriptor-set", "-o", "-#format=binpb")
    assert built.returncode == 0, built.stderr.decode()
    every = descriptor_pb2.FileDescriptorSet.FromString(built.stdout).file
    return [file for file in every if file.package.startswith("rerankd.")]


def comments(file: descriptor_pb2.FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(place.path): place.leading_comments for place in file.source_code_info.location}


def fields(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Gives the full name and the comment of each field; paths are those of descriptor.proto."""
    text = comments(file)

    def walk(
        messages: list[descriptor_pb2.DescriptorProto], path: tuple[int, ...], scope: str
    ) -> Iterator[tuple[str, str]]:
        for position, message in enumerate(messages):
            if message.options.map_entry:
                continue  # protoc makes it of a map field, and nobody can comment it
            here, name = (*path, position), f"{scope}.{message.name}"
            for number, field in enumerate(message.field):
                yield f"{name}.{field.name}", text.get((*here, 2, number), "")
            yield from walk(list(message.nested_type), (*here, 3), name)

    yield from walk(list(file.message_type), (4,), file.package)


def test_buf_lint_finds_nothing() -> None:
    linted = buf("lint")

    assert linted.returncode == 0, linted.stdout.decode() + linted.stderr.decode()


def test_buf_format_changes_nothing() -> None:
    formatted = buf("format", "--diff", "--exit-code", "--path", "protos/rerankd")

    assert formatted.returncode == 0, formatted.stdout.decode() + formatted.stderr.decode()


def test_every_field_says_since_when_it_exists(files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    without = [
        name
        for file in files
        for name, comment in fields(file)
        if not re.search(r"\n\s*Since \d+\.\d+\.\s*\Z", comment)
    ]

    assert not without, f"the comment has to end with a line `Since 0.N.`: {without}"


def test_files_import_only_what_every_toolchain_bundles(
    files: list[descriptor_pb2.FileDescriptorProto],
) -> None:
    allowed = re.compile(r"(google/protobuf/[a-z_]+|rerankd/v1/[a-z_]+)\.proto")

    foreign = {
        (file.name, name)
        for file in files
        if file.package == "rerankd.v1"
        for name in file.dependency
        if not allowed.fullmatch(name)
    }

    assert not foreign


@pytest.mark.parametrize("name", REASONS)
def test_every_reason_shows_an_error_info(name: str, files: list[descriptor_pb2.FileDescriptorProto]) -> None:
    file = next(file for file in files if file.name.endswith("/error_reason.proto"))
    position = [value.name for value in file.enum_type[0].value].index(name)
    comment = comments(file)[5, 0, 2, position]

    example = re.search(r"Example of an ErrorInfo:\s*(\{.*\})\s*\Z", comment, re.DOTALL)
    assert example, "the comment has to end with an example of its ErrorInfo"
    info = json.loads(example[1])

    assert list(info) == ["reason", "domain", "metadata"]
    assert info["reason"] == name.removeprefix("ERROR_REASON_")
    assert info["domain"] == "rerankd"
    assert all(isinstance(value, str) for value in info["metadata"].values())
    assert re.search(r"^ gRPC code: [A-Z_]+\.$", comment, re.MULTILINE)


def floor(package: str) -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    bounds = [
        match[1]
        for dependency in project["project"]["dependencies"]
        if (match := re.match(rf"{package}>=([\d.]+)", dependency))
    ]
    assert len(bounds) == 1, f"pyproject.toml has to give {package} one lower bound"
    return bounds[0]


def test_the_floor_of_grpcio_is_what_the_stubs_demand() -> None:
    stub = (STUBS / "rerank_service_pb2_grpc.py").read_text()
    demanded = re.search(r"^GRPC_GENERATED_VERSION = '([\d.]+)'$", stub, re.MULTILINE)

    assert demanded
    assert floor("grpcio") == demanded[1]


@pytest.mark.parametrize(
    "stub",
    sorted([*STUBS.glob("*_pb2.py"), *TRAINING_STUBS.glob("*_pb2.py")]),
    ids=lambda path: path.stem,
)
def test_the_floor_of_protobuf_is_what_the_stubs_demand(stub: Path) -> None:
    demanded = re.search(
        r"ValidateProtobufRuntimeVersion\(\s*\S+\.PUBLIC,\s*(\d+),\s*(\d+),\s*(\d+)", stub.read_text()
    )

    assert demanded
    assert floor("protobuf") == ".".join(demanded.groups())


@pytest.fixture(scope="module")
def service_config() -> dict[str, list[dict[str, object]]]:
    text = (ROOT / "protos" / "rerankd" / "v1" / SERVICE_CONFIG).read_text()
    parsed: dict[str, list[dict[str, object]]] = json.loads(text)
    return parsed


def configured(service_config: dict[str, list[dict[str, object]]]) -> dict[str, dict[str, object]]:
    named = {}
    for entry in service_config["methodConfig"]:
        names = entry["name"]
        assert isinstance(names, list)
        for name in names:
            assert name["service"] == SERVICE.full_name
            assert name["method"] not in named, "a method has one configuration"
            named[name["method"]] = entry
    return named


def test_the_service_config_names_each_method_once(
    service_config: dict[str, list[dict[str, object]]],
) -> None:
    methods = SERVICE.methods_by_name

    assert set(configured(service_config)) == set(methods)


def test_only_unary_reads_are_retried(service_config: dict[str, list[dict[str, object]]]) -> None:
    methods = SERVICE.methods_by_name
    no_side_effects = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS

    unary_reads = {
        name
        for name, method in methods.items()
        if method.GetOptions().idempotency_level == no_side_effects
        and not (method.client_streaming or method.server_streaming)
    }
    retried = {name for name, entry in configured(service_config).items() if "retryPolicy" in entry}

    assert retried == unary_reads


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((ROOT / "clients" / "typescript" / "package-lock.json").read_text())

    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


@pytest.fixture(scope="module")
def gen_protos() -> Iterator[ModuleType]:
    # The script has no suffix, so `import` does not find it, and no bytecode may land beside it.
    loader = SourceFileLoader("gen_protos", str(ROOT / "scripts" / "gen_protos"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setitem(sys.modules, loader.name, module)
        loader.exec_module(module)
        yield module


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_python_stubs_are_what_the_protos_generate(gen_protos: ModuleType, tmp_path: Path) -> None:
    try:
        gen_protos.generator_python()
    except gen_protos.GenerationError as failure:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the generator's environment .venv-gen cannot be made: {failure}")

    gen_protos.generate("python", tmp_path)

    assert not gen_protos.differences(tmp_path, ROOT, "python"), "run: scripts/gen_protos --languages python"
