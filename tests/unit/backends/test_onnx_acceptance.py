"""The acceptance suite of the port, over every family of models and every kind of graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.onnx_models import build_model, model_files

from rerankd.backends.base import Backend
from rerankd.backends.onnx import OnnxSettings, load
from rerankd.backends.testing import BackendAcceptance

MODELS: Mapping[str, Mapping[str, object]] = {
    "bert": {"architecture": "bert"},
    "roberta": {"architecture": "roberta"},
    "xlm-roberta": {"architecture": "xlm-roberta"},
    "deberta": {"architecture": "deberta"},
    "modernbert": {"architecture": "modernbert"},
    "document-first": {"architecture": "document-first"},
    "two-classes": {"head": "two_classes"},
    "flat": {"head": "flat"},
    "fp16": {"precision": "fp16"},
    "int32": {"int32_inputs": True},
    "external-data": {"external_data": True, "layout": "root"},
    "no-type-ids": {"token_type_ids": False},
    "position-ids": {"architecture": "roberta", "position_ids": True},
}


@pytest.fixture(scope="module", params=MODELS)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp(request.param), **MODELS[request.param])


class TestOnnxBackend(BackendAcceptance):
    lanes = 1

    @pytest.fixture(autouse=True)
    def _use(self, directory: Path) -> None:
        self._directory = directory

    def make_backend(self) -> Backend:
        settings = OnnxSettings(threads=1, lanes=self.lanes)
        return load(model_files(self._directory), settings, lambda *_: None)


class TestOnnxBackendWithLanes(TestOnnxBackend):
    lanes = 2
