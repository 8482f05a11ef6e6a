"""The laws of the house that a test can hold: direction of imports, sizes, documented surfaces."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "rerankd"
GENERATED = {SOURCE / "v1", SOURCE / "training" / "v1alpha"}
MODULES = sorted(path for path in SOURCE.rglob("*.py") if GENERATED.isdisjoint(path.parents))

TRANSPORTS = ("grpc", "starlette", "uvicorn", "click", "rich", "google")
RUNTIMES = ("onnxruntime", "onnx", "tokenizers", "nanotoken", "huggingface_hub")
DOORS = ("rerankd.grpc_api", "rerankd.http_api", "rerankd.cli", "rerankd.app")
BACKENDS = (
    # An ONNX file is a protobuf message: the library is the format's, not a transport's.
    *(name for name in TRANSPORTS if name != "google"),
    "google.rpc",
    "huggingface_hub",
    "rerankd.config",
    "rerankd.core.engine",
    "rerankd.core.scheduler",
    *DOORS,
)
ROOMS_OF_BACKENDS = ("rerankd.backends.onnx", "rerankd.backends.cloud", "rerankd.backends.testing")

TRAINING = (*TRANSPORTS, "rerankd.v1", "rerankd.messages", "rerankd.core.scheduler", *DOORS)
OF_TRAINING = (
    *TRAINING,
    *RUNTIMES,
    "torch",
    "rerankd.backends",
    "rerankd.core.engine",
    "rerankd.training.runs",
)

# Folder or module -> what nothing in it may import. A folder in a folder has its own rule or the outer one's.
FORBIDDEN = {
    "core": (
        *TRANSPORTS,
        *RUNTIMES,
        "rerankd.v1",
        "rerankd.artifacts",
        "rerankd.backends.onnx",
        "rerankd.config",
        *DOORS,
    ),
    "backends": (*BACKENDS, "rerankd.v1", "rerankd.client"),
    # One more client of the API, which happens to be a server too.
    "backends/remote": (*BACKENDS, *ROOMS_OF_BACKENDS),
    "backends/plugin": (*BACKENDS, "rerankd.v1", "rerankd.client", *ROOMS_OF_BACKENDS),
    "artifacts": (
        *TRANSPORTS,
        "onnxruntime",
        "rerankd.v1",
        "rerankd.core.engine",
        "rerankd.backends.onnx",
        *DOORS,
    ),
    # Doors share it: it knows the messages, and nothing that carries them.
    "messages": (
        *(name for name in TRANSPORTS if name != "google"),
        "google.rpc",
        *RUNTIMES,
        "rerankd.artifacts",
        "rerankd.config",
        *DOORS,
    ),
    # Settings of single calls are messages too, so that it knows the sections that they change.
    "messages/learning": (
        *(name for name in TRANSPORTS if name != "google"),
        "google.rpc",
        *RUNTIMES,
        "rerankd.artifacts",
        *DOORS,
    ),
    # Doors and the composition share it: it knows the settings and the engine, and nothing that carries them.
    "reconfiguration": (
        *TRANSPORTS,
        *RUNTIMES,
        "rerankd.v1",
        "rerankd.artifacts",
        "rerankd.messages",
        *DOORS,
    ),
    # It knows the state of everything, and nothing that carries it.
    "diagnostics": (*TRANSPORTS, *RUNTIMES, "rerankd.v1", "rerankd.artifacts", "rerankd.backends", *DOORS),
    # Doors and the composition share it, as above; what a key is good for is the engine's to count.
    "access": (
        *TRANSPORTS,
        *RUNTIMES,
        "rerankd.v1",
        "rerankd.artifacts",
        "rerankd.messages",
        "rerankd.reconfiguration",
        "rerankd.core.engine",
        *DOORS,
    ),
    # A door and the composition of its server in one: Serve listens, our handlers answer.
    "ray_serve": (*RUNTIMES, "click", "rich", "rerankd.cli", "rerankd.app", "rerankd.client"),
    # Ray's way in: it knows the engine and how it is composed, and no other door.
    "batch": (
        *TRANSPORTS,
        *RUNTIMES,
        "rerankd.v1",
        "rerankd.client",
        "rerankd.messages",
        *DOORS,
    ),
    # What a command runs: it knows the engine, how it is composed and the client, and nothing that shows.
    "benchmarking": (*TRANSPORTS, *RUNTIMES, "rerankd.v1", "rerankd.messages", *DOORS),
    "grpc_api": ("starlette", "uvicorn", *RUNTIMES, "rerankd.http_api", "rerankd.cli", "rerankd.app"),
    "http_api": ("grpc", *RUNTIMES, "rerankd.grpc_api", "rerankd.cli", "rerankd.app"),
    "client": (
        *RUNTIMES,
        "numpy",
        "click",
        "rich",
        "rerankd.core",
        "rerankd.backends",
        "rerankd.artifacts",
        *DOORS,
    ),
    # Knows the settings, the words of the core and how models are loaded; doors call it.
    "training": TRAINING,
    # Feedback is read by corpora, both by mining, and never the other way; models come in as scorers.
    "training/feedback": (*OF_TRAINING, "rerankd.training.corpora", "rerankd.training.mining"),
    "training/corpora": (*OF_TRAINING, "rerankd.training.mining"),
    "training/mining": OF_TRAINING,
    # Also for models that no run has trained.
    "training/export": (*TRAINING, "rerankd.training.runs"),
    "telemetry": ("grpc", "starlette", *RUNTIMES, *DOORS),
}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_inward(path: Path) -> None:
    outer, *inner = path.relative_to(SOURCE).parts
    room = outer.removesuffix(".py")
    if inner and f"{room}/{inner[0]}" in FORBIDDEN:
        room = f"{room}/{inner[0]}"
    forbidden = FORBIDDEN.get(room, ())
    wrong = [
        name for name in imports_of(path) if any(name == f or name.startswith(f"{f}.") for f in forbidden)
    ]
    assert not wrong, f"{room} must not import {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, "two things live in one room"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


def test_most_functions_are_short() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[int(0.9 * len(lengths))] <= 30


def test_no_rooms_without_a_purpose() -> None:
    assert not [p for p in MODULES if p.stem in {"utils", "util", "helpers", "common", "misc", "manager"}]


@pytest.mark.parametrize(
    "name",
    [
        "rerankd",
        "rerankd.client",
        "rerankd.backends.base",
        "rerankd.backends.plugin",
        "rerankd.backends.testing",
        "rerankd.core.errors",
    ],
)
def test_public_surfaces_are_documented(name: str) -> None:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
    for attribute in public:
        value = getattr(module, attribute)
        if not (inspect.isclass(value) or inspect.isfunction(value)) or not value.__module__.startswith(
            "rerankd"
        ):
            continue
        if value.__module__.startswith("rerankd.v1"):
            continue
        assert inspect.getdoc(value), f"{name}.{attribute}"
        if inspect.isclass(value):
            methods = [m for n, m in vars(value).items() if inspect.isfunction(m) and not n.startswith("_")]
            assert not [m.__qualname__ for m in methods if not inspect.getdoc(m)]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("rerankd", ("grpc", "numpy", "google")),
        ("rerankd.backends.remote", ("grpc", "httpx2", "google")),
        ("rerankd.client", ("numpy", "onnxruntime", "tokenizers", "pydantic", "rerankd.core")),
        (
            "rerankd.cli",
            ("grpc", "numpy", "onnxruntime", "onnx", "tokenizers", "huggingface_hub", "pydantic"),
        ),
        (
            "rerankd.training.runs",
            ("torch", "transformers", "sentence_transformers", "mlflow", "datasets", "onnxruntime"),
        ),
        ("rerankd.training.export", ("torch", "transformers", "onnx", "onnxruntime", "scipy")),
        ("rerankd.training.mining", ("bm25s", "pyarrow", "torch", "sentence_transformers", "Stemmer")),
        ("rerankd.artifacts.store", ("huggingface_hub", "onnx", "onnxruntime")),
        ("rerankd.app", ("huggingface_hub", "onnxruntime")),
        ("rerankd.training.evaluation", ("ir_measures", "bm25s", "matplotlib", "onnxruntime", "torch")),
        ("rerankd.training.promotion", ("ir_measures", "bm25s", "matplotlib", "onnxruntime", "torch")),
    ],
)
def test_importing_is_cheap(module: str, heavy: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
