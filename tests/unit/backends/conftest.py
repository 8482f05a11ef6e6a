from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.onnx_models import build_model, model_files

from rerankd.backends.onnx import OnnxBackend, OnnxSettings, load

LoadModel = Callable[..., OnnxBackend]


def no_report(*_: object) -> None:
    """A load that nobody watches."""


@pytest.fixture
def load_model(tmp_path: Path) -> LoadModel:
    """Builds a tiny model and loads it with one thread; takes the arguments of `build_model`."""

    def load_it(*args: object, settings: OnnxSettings | None = None, **options: object) -> OnnxBackend:
        directory = build_model(tmp_path / "model", *args, **options)
        return load(model_files(directory), settings or OnnxSettings(threads=1), no_report)

    return load_it
