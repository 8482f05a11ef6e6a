"""The benchmark of GPUs where there is none: its arithmetic, and that its sides agree."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.encoder_graphs import STYLES, build_encoder, encoder_graph

from rerankd.backends.onnx import Provider
from rerankd.backends.onnx.devices import obstacle

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "scripts" / "bench"
OURS = ("gpu", "passages", "plain_loop", "precision", "record", "retrieval", "server_process", "startup")
STYLE = STYLES["bert, TorchScript"]


@pytest.fixture(scope="module")
def gpu() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import gpu

        yield gpu
        for name in OURS:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = build_encoder(tmp_path_factory.mktemp("models") / "model", STYLE)
    config = json.loads((directory / "config.json").read_text())
    size = {"num_hidden_layers": 2, "hidden_size": STYLE.width, "intermediate_size": STYLE.inner}
    (directory / "config.json").write_text(json.dumps(config | size))
    return directory


@pytest.mark.parametrize("tokens", [1, 24, 512])
def test_operations_are_those_of_the_graph(gpu: ModuleType, model: Path, tokens: int) -> None:
    """Two for each weight of a layer and token, and two products of attention."""
    stored = {tensor.name: tensor.dims for tensor in encoder_graph(STYLE).graph.initializer}
    products = [node for node in encoder_graph(STYLE).graph.node if node.op_type == "MatMul"]
    weights = [np.prod(stored[node.input[1]]) for node in products if node.input[1] in stored]
    # The last one is the head's dense layer.
    of_layers = 2 * tokens * int(sum(weights[:-1]))
    attention = sum(node.input[1] not in stored for node in products) * 2 * tokens * tokens * STYLE.width
    assert gpu.geometry_of(model).operations(tokens) == of_layers + attention


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA L40S", 362),
        ("NVIDIA L4", 121),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("", 0),
        ("Some card", 0),
    ],
)
def test_rates_of_cards(gpu: ModuleType, name: str, rate: int) -> None:
    assert gpu.dense_tflops(name) == rate


def test_shares_are_those_of_the_card(gpu: ModuleType) -> None:
    class Pair:
        tokens = 100

    geometry = gpu.Geometry(layers=6, width=384, inner=1536)
    seconds = {gpu.YARDSTICK: [2.0, 4.0, 2.0], "engine": [1.0, 1.0, 1.0]}
    rows = gpu.figures(seconds, [Pair()] * 1000, geometry, 10.0)
    assert rows["engine"]["pairs_per_second"] == 1000
    assert rows["engine"]["of_plain_fp32"] == 2.0
    assert rows["engine"]["tflops"] == pytest.approx(1000 * geometry.operations(100) / 1e12)
    assert rows["engine"]["of_dense_fp16"] == pytest.approx(rows["engine"]["tflops"] / 10)
    assert "of_dense_fp16" not in gpu.figures(seconds, [Pair()], geometry, 0.0)["engine"]


def test_a_dry_run_shows_that_the_sides_agree(
    gpu: ModuleType, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in (BENCH / "results").glob("gpu*")}
    gpu.main(["--dry-run", "--model", str(model)])
    lines = [line for line in capsys.readouterr().out.splitlines() if " off by " in line]
    assert len(lines) == 6
    off = {line[:28].strip(): float(line.rpartition(" ")[2]) for line in lines}
    assert off["engine, fp32"] <= 1e-4
    assert 0 < off["plain onnxruntime, fp16"] <= 0.1
    assert {path: path.read_bytes() for path in (BENCH / "results").glob("gpu*")} == before


@pytest.mark.skipif(obstacle(Provider.CUDA, 0) is None, reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_and_is_done(gpu: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main([])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("no GPU here: ")


def test_the_way_to_a_machine_without_a_network_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(BENCH / "gpu_remote.sh")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    for verb in ("pack", "check", "join", "bench"):
        assert f"gpu_remote.sh {verb}" in done.stdout
