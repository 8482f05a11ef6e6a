"""Products in 8-bit integers: close to float, and blind to the neighbours in the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoder_graphs import STYLES, Style, build_encoder, encoder_graph
from support.onnx_models import build_model, model_files

from rerankd.artifacts.files import ModelFiles
from rerankd.backends.base import EncodedPair, EncodeOptions
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Precision, Provider, load
from rerankd.backends.onnx.golden import NEIGHBOURS_INT8
from rerankd.backends.onnx.graph import int8
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError
from rerankd.core.errors import ModelFailedError

HERE = Path()
WORDS = ["plants", "make", "food", "light", "water", "and", "carbon", "river", "long", "leaves", "green"]
QUERY = "how do plants make food"


def settings_for(precision: Precision) -> OnnxSettings:
    return OnnxSettings(threads=1, provider=Provider.CPU, precision=precision)


def load_as(files: ModelFiles, precision: Precision) -> OnnxBackend:
    return load(files, settings_for(precision), lambda *_: None)


def encode(backend: OnnxBackend, texts: list[str]) -> list[EncodedPair]:
    return [w[0] for w in backend.encode_documents(backend.encode_query(QUERY), texts, EncodeOptions())]


def texts_of(lengths: list[int], seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, length)) for length in lengths]


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Precision, OnnxBackend]]:
    directory = build_encoder(tmp_path_factory.mktemp("models") / "model", STYLES["bert, TorchScript"])
    loaded = {
        precision: load_as(model_files(directory), precision)
        for precision in (Precision.FP32, Precision.INT8)
    }
    yield loaded
    for backend in loaded.values():
        backend.close()


LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=10)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
@settings(deadline=None, max_examples=60)
@given(lengths=LENGTHS, seed=st.integers(0, 1 << 30))
def test_neighbours_do_not_matter(
    backends: dict[Precision, OnnxBackend], precision: Precision, lengths: list[int], seed: int
) -> None:
    backend = backends[precision]
    pairs = encode(backend, texts_of(lengths, seed))
    together = backend.score(pairs, 0)
    alone = np.concatenate([backend.score([pair], 0) for pair in pairs])
    allowed = 1e-5 if precision is Precision.FP32 else NEIGHBOURS_INT8.absolute
    np.testing.assert_allclose(together, alone, rtol=allowed, atol=allowed)


def test_an_outlier_in_the_batch_does_not_matter(backends: dict[Precision, OnnxBackend]) -> None:
    """With one scale for the whole batch the largest value of any pair would be felt by all."""
    backend = backends[Precision.INT8]
    texts = texts_of([3, 9, 30, 60], 1)
    (quiet,) = encode(backend, texts[:1])
    alone = float(backend.score([quiet], 0)[0])
    loud = encode(backend, ["light " * 200, "x" * 300, *texts])
    beside = float(backend.score([quiet, *loud], 0)[0])
    assert beside == pytest.approx(alone, abs=NEIGHBOURS_INT8.absolute)


def test_scores_are_close_to_those_of_floats(backends: dict[Precision, OnnxBackend]) -> None:
    texts = texts_of([5, 10, 20, 40] * 8, 5)
    scores = {precision: backend.score(encode(backend, texts), 0) for precision, backend in backends.items()}
    off = scores[Precision.INT8] - scores[Precision.FP32]
    assert np.abs(off).max() > 0
    assert off.std() < 0.15 * scores[Precision.FP32].std()


def test_status_tells_the_precision(backends: dict[Precision, OnnxBackend]) -> None:
    assert backends[Precision.INT8].description.precision == "int8"
    assert backends[Precision.FP32].description.precision == "fp32"


def seen(view: GraphView, names: list[str]) -> dict[str, int8.Range]:
    """Ranges as a calibration would give them, of the width that each tensor has."""
    widths = {name: 64 if name.startswith("mul") else 32 for name in names}
    return {
        name: int8.Range(
            lowest=np.full(width, -0.1, np.float32),
            highest=np.full(width, 3, np.float32),
        )
        for name, width in widths.items()
    }


@pytest.mark.parametrize("style", [STYLES["bert, TorchScript"], STYLES["bert, int8 weights"]])
def test_every_large_product_is_of_integers(style: Style) -> None:
    model = encoder_graph(style)
    view = GraphView(model, HERE)
    names = int8.inputs_to_observe(view, frozenset())
    int8.apply(view, frozenset(), seen(view, names))
    onnx.checker.check_model(_without_contributed(model))
    kinds = Counter(node.op_type for node in model.graph.node)
    layers = 2
    assert kinds["MatMulIntegerToFloat"] == 6 * layers
    # Scores and mixing of each layer, and the head.
    assert kinds["MatMul"] == 2 * layers + 1
    # Four inputs a layer: the normalized one is shared by queries, keys and values.
    assert kinds["QuantizeLinear"] == 4 * layers
    assert kinds["ReduceMax"] == layers
    assert kinds["DequantizeLinear"] == (1 if style.dequantized else 0)
    stored = {tensor.name for tensor in model.graph.initializer}
    assert stored <= {name for node in model.graph.node for name in node.input}


def _without_contributed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The checker knows the standard operators only."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for node in copy.graph.node:
        if node.op_type == "MatMulIntegerToFloat":
            node.op_type, node.domain = "Sum", ""
            del node.input[2:]
    return copy


def test_rows_that_are_alone_stay_in_float() -> None:
    view = GraphView(encoder_graph(Style()), HERE)
    everything = int8.inputs_to_observe(view, frozenset())
    last = [node.output[0] for node in view.nodes if node.op_type == "MatMul"][-2]
    assert len(int8.inputs_to_observe(view, frozenset({last}))) == len(everything) - 1


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_style_is_served_in_int8(tmp_path: Path, style: Style) -> None:
    directory = build_encoder(tmp_path / "model", style, seed=4)
    scores = {}
    for precision in (Precision.FP32, Precision.INT8):
        backend = load_as(model_files(directory), precision)
        texts = texts_of([4, 11, 25, 50], 9)
        scores[precision] = backend.score(encode(backend, texts), 0)
    assert backend.description.precision == "int8"
    spread = scores[Precision.FP32].std()
    assert np.abs(scores[Precision.INT8] - scores[Precision.FP32]).max() < max(spread, 0.1)


def test_a_graph_without_stored_matrices_stays_in_float(tmp_path: Path) -> None:
    model = encoder_graph(Style())
    for node in model.graph.node:
        if node.op_type == "MatMul":
            node.op_type = "Add"
    with pytest.raises(NotApplicableError, match="no product with a stored float matrix"):
        int8.inputs_to_observe(GraphView(model, HERE), frozenset())


def test_an_old_graph_stays_in_float() -> None:
    model = encoder_graph(Style())
    model.opset_import[0].version = 12
    with pytest.raises(NotApplicableError, match="opset 12; 13 is the first"):
        int8.inputs_to_observe(GraphView(model, HERE), frozenset())


def test_half_floats_are_refused_on_a_cpu(tmp_path: Path) -> None:
    directory = build_model(tmp_path / "model")
    with pytest.raises(ModelFailedError, match="precision fp16 was asked for, which needs a GPU") as caught:
        load_as(model_files(directory), Precision.FP16)
    assert caught.value.metadata == {"asked": "fp16", "provider": "CPUExecutionProvider"}


@pytest.mark.parametrize("value", ["bf8", "int4", "FP32", ""])
def test_unknown_precisions_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not a valid Precision"):
        Precision(value)
