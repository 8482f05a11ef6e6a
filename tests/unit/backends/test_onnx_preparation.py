"""What is served after the rewrites: proved, kept on disk, and said truthfully."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from support.encoder_graphs import STYLES, Style, build_encoder, encoder_graph
from support.onnx_models import build_model, model_files

from rerankd import artifacts
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Precision, Provider, load
from rerankd.backends.onnx.golden import TOLERANCES
from rerankd.backends.onnx.graph import (
    absorbed_projections,
    calibration,
    first_row,
    folded_scales,
    half,
    int8,
    moved_biases,
    one_operator,
)
from rerankd.backends.onnx.graph.cache import RewrittenGraph
from rerankd.backends.onnx.graph.preparation import Preparation, StoredGraph
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError
from rerankd.backends.onnx.graph_file import read_graph
from rerankd.backends.onnx.pairs import Feed
from rerankd.backends.onnx.session import verification_session
from rerankd.core.types import WarmupStage

STYLE = STYLES["bert, TorchScript"]
SCALED = STYLES["bert, sdpa, scale from shapes"]
EXACT = [moved_biases.NAME, first_row.NAME, absorbed_projections.NAME, one_operator.NAME]
TEXTS = ["plants make food", "the river is long", "leaves " * 40, ""]


def load_it(directory: Path, **settings: object) -> OnnxBackend:
    given = {"threads": 1, "provider": Provider.CPU, **settings}
    return load(model_files(directory), OnnxSettings(**given), lambda *_: None)


def logits(backend: OnnxBackend) -> np.ndarray:
    pairs = backend.encode_documents(backend.encode_query("how do plants"), TEXTS, EncodeOptions())
    return backend.score([pair for windows in pairs for pair in windows], 0)


def prepared(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    return next(record for record in reversed(caplog.records) if record.message == "graph prepared")


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def _not_now(_: GraphView) -> frozenset[str]:
    raise NotApplicableError("not now")


@pytest.fixture
def unwritten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> np.ndarray:
    """Logits of the stored graph, with no rewrite at all."""

    with monkeypatch.context() as patch:
        for rewrite in (moved_biases, first_row, one_operator):
            patch.setattr(rewrite, "apply", _not_now)
        return logits(load_it(build_encoder(tmp_path / "stored", STYLE)))


def test_a_rewrite_is_served_and_logged(
    tmp_path: Path, unwritten: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    backend = load_it(build_encoder(tmp_path / "model", STYLE))
    np.testing.assert_allclose(logits(backend), unwritten, rtol=1e-5, atol=1e-5)
    assert prepared(caplog).applied == EXACT
    assert prepared(caplog).skipped == [f"{folded_scales.NAME}: no scale of queries or keys by themselves"]
    assert prepared(caplog).precision == "fp32"


def test_the_operator_sees_what_was_applied(tmp_path: Path) -> None:
    directory = build_encoder(tmp_path / "model", SCALED)
    details: dict[WarmupStage, str] = {}
    settings = OnnxSettings(threads=1, provider=Provider.CPU, precision=Precision.INT8)
    load(model_files(directory), settings, lambda stage, _, text: details.update({stage: text}))
    assert details[WarmupStage.SESSION] == (
        f"CPUExecutionProvider ({'; '.join([folded_scales.NAME, *EXACT, int8.NAME])})"
    )


def test_a_graph_without_the_pattern_is_served_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = load_it(build_encoder(tmp_path / "model", Style(pick="mean")))
    assert np.isfinite(logits(backend)).all()
    assert prepared(caplog).applied == [moved_biases.NAME, one_operator.NAME]
    assert prepared(caplog).skipped == [
        f"{folded_scales.NAME}: no scale of queries or keys by themselves",
        f"{first_row.NAME}: no operator picks the first row of the hidden states",
        f"{absorbed_projections.NAME}: no attention with a single query for each pair",
    ]


def _pick_another_row(view: GraphView) -> frozenset[str]:
    one = view.store("one", np.array(1, dtype=np.int64))
    pick = next(node for node in view.nodes if node.op_type == "Gather" and "layernorm" in node.input[0])
    pick.input[1] = one
    view.replace_nodes()
    return frozenset()


def _break_the_graph(view: GraphView) -> frozenset[str]:
    view.nodes[0].op_type = "NoSuchOperator"
    view.replace_nodes()
    return frozenset()


def _add_a_little(view: GraphView) -> frozenset[str]:
    """Too little to be seen in a ranking."""
    little = view.store("little", np.array([1e-3], dtype=np.float32))
    (last,) = view.nodes[-1].input
    view.nodes[-1].input[0] = view.insert(len(view.nodes) - 1, "Add", [last, little], view.fresh("moved"))
    view.replace_nodes()
    return frozenset()


def _give_no_number(view: GraphView) -> frozenset[str]:
    zero = view.store("zero", np.array([0], dtype=np.float32))
    (last,) = view.nodes[-1].input
    nothing = view.insert(len(view.nodes) - 1, "Mul", [last, zero], view.fresh("nothing"))
    view.nodes[-1].input[0] = view.insert(len(view.nodes) - 1, "Div", [last, nothing], view.fresh("infinite"))
    view.replace_nodes()
    return frozenset()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (_pick_another_row, "it changes results by"),
        (_add_a_little, "it changes results by"),
        (_give_no_number, "not finite"),
        (_break_the_graph, "it cannot be compared"),
    ],
)
def test_a_wrong_rewrite_is_not_served(
    tmp_path: Path,
    unwritten: np.ndarray,
    broken: Callable[[GraphView], frozenset[str]],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for rewrite in (moved_biases, one_operator):
        monkeypatch.setattr(rewrite, "apply", _not_now)
    monkeypatch.setattr(first_row, "apply", broken)
    backend = load_it(build_encoder(tmp_path / "model", STYLE))
    np.testing.assert_array_equal(logits(backend), unwritten)
    assert prepared(caplog).applied == []
    warning = next(record for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.rewrite == first_row.NAME
    assert reason in warning.reason


def test_one_wrong_rewrite_does_not_cost_the_others(
    tmp_path: Path,
    unwritten: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(moved_biases, "apply", _add_a_little)
    backend = load_it(build_encoder(tmp_path / "model", STYLE))
    np.testing.assert_allclose(logits(backend), unwritten, rtol=1e-5, atol=1e-5)
    assert prepared(caplog).applied == [name for name in EXACT if name != moved_biases.NAME]
    assert prepared(caplog).skipped[-1].startswith(f"{moved_biases.NAME}: it changes results by")


def test_a_model_that_int8_would_spoil_stays_in_float(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With ranges a thousand times too wide every value is rounded to nothing."""
    observe = calibration.observe

    def too_wide(*arguments: object) -> dict[str, int8.Range]:
        return {
            name: int8.Range(lowest=seen.lowest * 1000, highest=seen.highest * 1000)
            for name, seen in observe(*arguments).items()
        }

    monkeypatch.setattr(calibration, "observe", too_wide)
    backend = load_it(build_encoder(tmp_path / "model", STYLE), precision=Precision.INT8)
    assert backend.description.precision == "fp32"
    assert prepared(caplog).applied == EXACT
    assert prepared(caplog).skipped[-1].startswith(f"{int8.NAME}: it changes results by")


@pytest.mark.parametrize("precision", [Precision.AUTO, Precision.INT8])
def test_the_second_load_takes_the_graph_from_the_disk(
    tmp_path: Path,
    precision: Precision,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory, cache = build_encoder(tmp_path / "model", STYLE), tmp_path / "cache"
    first = logits(load_it(directory, precision=precision, cache_dir=cache))
    assert not prepared(caplog).from_disk

    def fail(*_: object) -> None:
        raise AssertionError("a rewrite was made twice")

    for rewrite in (folded_scales, moved_biases, first_row, absorbed_projections, one_operator):
        monkeypatch.setattr(rewrite, "apply", fail)
    monkeypatch.setattr(int8, "apply", fail)
    second = load_it(directory, precision=precision, cache_dir=cache)
    assert prepared(caplog).from_disk
    np.testing.assert_array_equal(logits(second), first)
    assert second.description.precision == ("int8" if precision is Precision.INT8 else "fp32")


def test_a_damaged_file_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory, cache = build_encoder(tmp_path / "model", STYLE), tmp_path / "cache"
    first = logits(load_it(directory, cache_dir=cache))
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    again = logits(load_it(directory, cache_dir=cache))
    assert not prepared(caplog).from_disk
    np.testing.assert_array_equal(again, first)
    assert file.read_bytes() == whole


def test_another_graph_is_another_file(tmp_path: Path) -> None:
    directory, cache = build_encoder(tmp_path / "model", STYLE), tmp_path / "cache"
    load_it(directory, cache_dir=cache)
    load_it(directory, cache_dir=cache, precision=Precision.INT8)
    build_encoder(directory, STYLE, seed=4)
    load_it(directory, cache_dir=cache)
    assert len(list(cache.iterdir())) == 3


def test_external_data_stay_where_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The rewritten graph is in memory; its weights are still found beside the stored one."""
    directory, cache = build_model(tmp_path / "model", external_data=True), tmp_path / "cache"
    plain = logits(load_it(build_model(tmp_path / "plain")))
    for _ in range(2):
        np.testing.assert_allclose(logits(load_it(directory, cache_dir=cache)), plain, rtol=1e-5, atol=1e-5)
        assert prepared(caplog).applied == [first_row.NAME]
    (file,) = cache.iterdir()
    data = next((directory / "onnx").glob("*_data")).stat().st_size
    assert file.stat().st_size < data


def test_half_floats_are_widened_and_then_rewritten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    backend = load_it(build_model(tmp_path / "model", precision="fp16"), cache_dir=tmp_path / "cache")
    assert backend.description.precision == "fp32"
    assert prepared(caplog).applied == [first_row.NAME]


def for_a_gpu(model: onnx.ModelProto, path: Path, precision: Precision) -> RewrittenGraph:
    """As for a GPU, which only the sessions that serve need."""

    def feeds(pairs: Sequence[tuple[str, str]]) -> list[Feed]:
        others = {"attention_mask": 1, "token_type_ids": 0}
        return [
            {
                value.name: np.full((1, 4 + number), others.get(value.name, number), dtype=np.int64)
                for value in model.graph.input
            }
            for number, _ in enumerate(pairs)
        ]

    path.write_bytes(model.SerializeToString())
    stored = StoredGraph(path=path, model=read_graph(path), content=path, output="logits", arithmetic="fp32")
    return Preparation(precision=precision, threads=1, feeds=feeds).prepare(stored, Provider.CUDA)


def test_half_floats_for_a_gpu(tmp_path: Path) -> None:
    graph = for_a_gpu(encoder_graph(STYLE), tmp_path / "model.onnx", Precision.FP16)
    assert graph.applied == (first_row.NAME, half.NAME)
    assert graph.arithmetic == "fp16"
    matrices = [
        tensor for tensor in onnx.load_from_string(graph.content).graph.initializer if len(tensor.dims) == 2
    ]
    # All but the head's.
    halves = [tensor for tensor in matrices if tensor.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) == len(matrices) - 1


def on_cpu(content: bytes, feed: Feed) -> np.ndarray:
    """CPUs run a graph in halves too: each operator in fp32, what is between them rounded."""
    session = verification_session(content, Path(), 1)
    return np.asarray(session.run(["logits"], feed)[0])


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_halves_keep_scores_within_the_published_tolerance(tmp_path: Path, style: Style) -> None:
    model = encoder_graph(style)
    graph = for_a_gpu(model, tmp_path / "model.onnx", Precision.FP16)
    assert graph.applied[-1] == half.NAME
    random = np.random.default_rng(5)
    feed = {value.name: np.zeros((6, 24), dtype=np.int64) for value in model.graph.input}
    feed["input_ids"] = random.integers(3, 90, (6, 24))
    feed["attention_mask"] = (np.arange(24) < np.array([[24], [3], [9], [17], [1], [20]])).astype(np.int64)
    wanted, got = on_cpu(model.SerializeToString(), feed), on_cpu(graph.content, feed)
    assert got.dtype == np.float32
    assert all(map(TOLERANCES["fp16"].allows, got.reshape(-1).tolist(), wanted.reshape(-1).tolist()))
    assert not np.array_equal(got, wanted)


def test_the_head_stays_in_single_floats(tmp_path: Path) -> None:
    graph = for_a_gpu(encoder_graph(STYLE), tmp_path / "model.onnx", Precision.FP16)
    parsed = onnx.load_from_string(graph.content).graph
    stored = {tensor.name: tensor.data_type for tensor in parsed.initializer}
    products = [node for node in parsed.node if node.op_type in ("MatMul", "Gemm")]
    types = [stored[node.input[1]] for node in products if node.input[1] in stored]
    assert types[-1] == onnx.TensorProto.FLOAT
    assert set(types[:-1]) == {onnx.TensorProto.FLOAT16}


def scaled(model: onnx.ModelProto, rows: int, factor: float) -> onnx.ModelProto:
    """With all matrices of so many rows multiplied."""
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 2 and len(values) == rows:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(factor), tensor.name))
    return model


def test_only_products_are_in_halves_where_the_rest_cannot_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Embeddings whose squares, which a norm adds up, are beyond the largest half.
    model = scaled(encoder_graph(STYLES["bert, opset 13"]), rows=100, factor=1000)
    graph = for_a_gpu(model, tmp_path / "model.onnx", Precision.FP16)
    assert graph.applied[-1] == half.PRODUCTS
    assert graph.arithmetic == "fp16"
    assert graph.skipped[-1].startswith(f"{half.NAME}: values of up to")


def test_a_model_that_halves_would_spoil_stays_in_single_floats(tmp_path: Path) -> None:
    model = scaled(encoder_graph(STYLE), rows=64, factor=1e6)
    graph = for_a_gpu(model, tmp_path / "model.onnx", Precision.FP16)
    assert graph.arithmetic == "fp32"
    assert [reason.partition(": ")[0] for reason in graph.skipped[-2:]] == list(half.WAYS)


def test_weights_beside_the_graph_become_halves_inside_it(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model", external_data=True)
    path = model_files(directory).graph
    content = half.converted(read_graph(path), path.parent)
    tensors = onnx.load_from_string(content).graph.initializer
    assert {tensor.data_location for tensor in tensors} == {onnx.TensorProto.DEFAULT}
    feed = {"input_ids": np.array([[5, 6, 7]]), "attention_mask": np.ones((1, 3), dtype=np.int64)}
    feed["token_type_ids"] = np.zeros((1, 3), dtype=np.int64)
    stored = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = stored.run(["logits"], feed)[0]
    np.testing.assert_allclose(on_cpu(content, feed), wanted, rtol=1e-2, atol=2e-2)


def test_the_bundled_model_converts() -> None:
    """Its weights are of eight bits, and several operators of its head read one tensor."""
    graph = Path(artifacts.__file__).parent / "bundled" / "mini-en" / "model.onnx"
    content = half.converted(read_graph(graph), graph.parent)
    names = [node.output[0] for node in onnx.load_from_string(content).graph.node]
    assert len(names) == len(set(names))
    ids = np.random.default_rng(1).integers(5, 12_000, (2, 12))
    ids[:, 0], ids[:, 5], ids[:, 11] = 2, 3, 3
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    feed["token_type_ids"] = (np.arange(12) > 5).astype(np.int64)[np.newaxis].repeat(2, axis=0)
    session = verification_session(graph, graph.parent, 1)
    (wanted,) = session.run(["logits"], {value.name: feed[value.name] for value in session.get_inputs()})
    got = on_cpu(content, {value.name: feed[value.name] for value in session.get_inputs()})
    assert all(map(TOLERANCES["fp16"].allows, got.reshape(-1).tolist(), wanted.reshape(-1).tolist()))


def test_int8_products_are_for_cpus(tmp_path: Path) -> None:
    graph = for_a_gpu(encoder_graph(STYLE), tmp_path / "model.onnx", Precision.INT8)
    assert (graph.applied, graph.arithmetic) == ((first_row.NAME,), "fp32")
    assert graph.skipped[1:] == (
        f"{moved_biases.NAME}: it is measured on CPUs only",
        f"{absorbed_projections.NAME}: it is measured on CPUs only",
        f"{one_operator.NAME}: it is measured on CPUs only",
        f"{int8.NAME}: it is made for CPUs",
    )


def test_a_warm_start_does_not_import_the_onnx_package(tmp_path: Path) -> None:
    directory = build_encoder(tmp_path / "model", STYLE)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rerankd.artifacts.files import ModelFiles\n"
        "from rerankd.backends.onnx import OnnxSettings, Precision, load\n"
        "root = Path(sys.argv[1])\n"
        "files = ModelFiles(id='a', revision='b', graph=root / 'onnx' / 'model.onnx',\n"
        "                   tokenizer=root / 'tokenizer.json', config={'pad_token_id': 0})\n"
        "settings = OnnxSettings(precision=Precision.INT8, cache_dir=Path(sys.argv[2]))\n"
        "precision = load(files, settings, lambda *_: None).description.precision\n"
        "print('onnx' in sys.modules, precision)"
    )
    command = [sys.executable, "-c", program, str(directory), str(tmp_path / "cache")]
    for start in ("cold", "warm"):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        # A cold one raises the opset.
        assert done.stdout.strip() == f"{start == 'cold'} int8"
