"""Models in directories: the operator's, and the one that comes with the package."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from rerankd.artifacts import ArtifactSettings, ArtifactStore
from rerankd.artifacts.presets import load_presets
from rerankd.core.errors import ModelFailedError
from rerankd.core.types import WarmupStage

GRAPH = helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(GRAPH)
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    return tmp_path


def store(directory: Path, **settings: Any) -> ArtifactStore:
    return ArtifactStore(
        ArtifactSettings(cache_dir=directory / "no-cache", local={"house": directory}, **settings)
    )


def ignore(stage: WarmupStage, fraction: float, detail: str) -> None:
    pass


def test_a_directory_is_a_model(directory: Path) -> None:
    got = store(directory, offline=True).fetch("house", ignore)
    assert (got.id, got.graph, got.precision) == ("house", directory / "onnx" / "model.onnx", "fp32")
    assert got.config == {"model_type": "bert"}
    assert got.tokenizer_config == {}
    assert not (directory / "no-cache").exists()


def test_the_revision_is_the_content(directory: Path) -> None:
    here = store(directory)
    first = here.fetch("house", ignore).revision
    assert first.startswith("sha256:")
    assert len(first) == len("sha256:") + 12
    (directory / "README.md").write_text("not part of the model")
    assert here.fetch("house", ignore).revision == first
    (directory / "tokenizer.json").write_text('{"version": 2}')
    assert here.fetch("house", ignore).revision != first


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("tokenizer.json", None, r"model house has no tokenizer\.json"),
        ("onnx/model.onnx", None, r"no usable ONNX file"),
        ("onnx/model.onnx", b"<html>", r"onnx/model\.onnx of model house .*ONNX"),
        ("config.json", b"[1]", r"config\.json of model house is not a JSON object"),
        ("config.json", b"{", r"config\.json of model house is not a JSON object"),
        ("config.json", b"[" * 100_000, r"config\.json of model house is not a JSON object"),
    ],
)
def test_what_is_wrong_is_told_without_the_path(
    directory: Path, path: str, content: bytes | None, message: str
) -> None:
    if content is None:
        (directory / path).unlink()
    else:
        (directory / path).write_bytes(content)
    with pytest.raises(ModelFailedError, match=message) as caught:
        store(directory).fetch("house", ignore)
    assert str(directory) not in caught.value.message


def test_a_directory_that_is_gone_is_noted_for_the_operator(tmp_path: Path) -> None:
    with pytest.raises(ModelFailedError, match="does not exist") as caught:
        store(tmp_path / "gone").fetch("house", ignore)
    assert str(tmp_path) not in caught.value.message
    assert str(tmp_path / "gone") in "".join(caught.value.__notes__)


def test_external_data_must_be_there(directory: Path) -> None:
    graph = onnx.load_from_string(GRAPH)
    weights = graph.graph.initializer.add(name="w", data_type=1, dims=[1], data_location=1)
    weights.external_data.add(key="location", value="model.onnx.data")
    (directory / "onnx" / "model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFailedError, match=r"weights in onnx/model\.onnx\.data, which is not there"):
        store(directory).fetch("house", ignore)
    (directory / "onnx" / "model.onnx.data").write_bytes(b"1234")
    first = store(directory).fetch("house", ignore).revision
    (directory / "onnx" / "model.onnx.data").write_bytes(b"5678")
    assert store(directory).fetch("house", ignore).revision != first


def test_checksums_beside_the_files_are_checked(directory: Path) -> None:
    digest = hashlib.sha256(GRAPH).hexdigest()
    (directory / "SHA256SUMS").write_text(f"{digest} *onnx/model.onnx\n")
    here = store(directory)
    here.fetch("house", ignore)
    assert here.verify("house") == ["onnx/model.onnx", "config.json", "tokenizer.json"]
    (directory / "SHA256SUMS").write_text(f"{'0' * 64}  ./onnx/model.onnx\n")
    with pytest.raises(ModelFailedError, match=r"onnx/model\.onnx of model house does not match"):
        here.verify("house")


def test_a_precision_that_is_not_offered(directory: Path) -> None:
    assert store(directory, precision="int8").fetch("house", ignore).precision == "fp32"
    with pytest.raises(ModelFailedError, match="no usable int8"):
        store(directory, precisions={"house": "int8"}).fetch("house", ignore)


def test_the_listing_shows_the_directory(directory: Path) -> None:
    (row,) = [row for row in store(directory).listing() if row.kind == "local"]
    assert (row.id, row.source, row.available) == ("house", str(directory), True)
    assert row.size_bytes == len(GRAPH) + len("{}") + len('{"model_type": "bert"}')
    (directory / "tokenizer.json").unlink()
    (row,) = [row for row in store(directory).listing() if row.kind == "local"]
    assert not row.available


def test_the_bundled_model_is_whole(tmp_path: Path) -> None:
    here = store(tmp_path, offline=True, precision="fp16")
    stages: list[tuple[WarmupStage, float]] = []
    got = here.fetch(here.canonical(""), lambda stage, fraction, _: stages.append((stage, fraction)))
    assert (got.id, got.precision, got.license) == ("rerankd/mini-en", "int8", "Apache-2.0")
    assert got.config["num_labels"] == 1
    assert json.loads(got.tokenizer.read_bytes())["model"]["type"] == "WordPiece"
    assert stages == [(WarmupStage.RESOLVE, 0.0), (WarmupStage.RESOLVE, 1.0)]
    assert sorted(here.verify(got.id)) == ["config.json", "model.onnx", "tokenizer.json"]


def test_the_bundled_model_has_a_card() -> None:
    directory = load_presets()[0].directory
    card = (directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    for fact in ("rerankd/mini-en", "Apache-2.0", "all-MiniLM-L6-v2", "nDCG@10", "0.775", "0.346", "+0.106"):
        assert fact in card
    listed = (directory / "SHA256SUMS").read_text().split()
    assert {"model.onnx", "tokenizer.json", "config.json"} <= set(listed)


def test_the_bundled_model_needs_no_downloader(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from rerankd.artifacts import *;"
        "store = ArtifactStore(ArtifactSettings(cache_dir=pathlib.Path(sys.argv[1])));"
        "store.fetch(store.canonical(''), lambda *_: None); store.listing();"
        "heavy = ('huggingface_hub', 'onnx', 'onnxruntime', 'numpy', 'tokenizers');"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "cache")], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
    assert not (tmp_path / "cache").exists()
