"""What the tests of faults share: a small model that is made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hub import FakeHub
from support.onnx_models import build_model

REPOSITORY = "acme/reranker"


@pytest.fixture(scope="session")
def stored_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is whole; nobody writes to it."""
    return build_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def own_model(stored_model: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(stored_model, tmp_path / "own")


@pytest.fixture
def hub(stored_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub that has the model as `acme/reranker`, for servers that are started after this."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with FakeHub().running() as hub:
        files = {
            str(path.relative_to(stored_model)): path.read_bytes()
            for path in stored_model.rglob("*")
            if path.is_file()
        }
        hub.add(REPOSITORY, files)
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub
