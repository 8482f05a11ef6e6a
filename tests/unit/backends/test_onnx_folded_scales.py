"""Queries and keys are no longer multiplied with numbers, and the scores are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoder_graphs import STYLES, Style, encoder_feed, encoder_graph, encoder_session

from rerankd.backends.onnx.graph import first_row, folded_scales
from rerankd.backends.onnx.graph.static_values import static_values
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError

HERE = Path()
SCALED = {name: style for name, style in STYLES.items() if style.scaled_inputs}
UNSCALED = {name: style for name, style in STYLES.items() if not style.scaled_inputs}
FROM_SHAPES = STYLES["bert, sdpa, scale from shapes"]


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    folded_scales.apply(GraphView(copy, HERE))
    return copy


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def scores_of(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The products of queries with keys."""
    makers = {node.output[0]: node for node in model.graph.node}
    return [
        node
        for node in model.graph.node
        if node.op_type == "MatMul" and all(name in makers for name in node.input[:2])
    ]


@pytest.mark.parametrize("style", SCALED.values(), ids=SCALED)
def test_scores_are_the_same(style: Style) -> None:
    model = encoder_graph(style)
    rewritten = folded(model)
    before, after = encoder_session(model), encoder_session(rewritten)
    for number, lengths in enumerate(([7], [5, 12, 9], [1, 1], [40, 3, 17, 40])):
        arrays = encoder_feed(model, lengths, number)
        np.testing.assert_allclose(
            after.run(None, arrays)[0], before.run(None, arrays)[0], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("style", SCALED.values(), ids=SCALED)
def test_no_scale_is_left(style: Style) -> None:
    rewritten = folded(encoder_graph(style))
    makers = {node.output[0]: node.op_type for node in rewritten.graph.node}
    assert all(makers[name] != "Mul" for node in scores_of(rewritten) for name in node.input)
    assert "Sqrt" not in kinds(rewritten)


@pytest.mark.parametrize("style", UNSCALED.values(), ids=UNSCALED)
def test_a_graph_that_scales_scores_is_left_alone(style: Style) -> None:
    """ONNX Runtime puts that scale into the product itself."""
    with pytest.raises(NotApplicableError, match="no scale of queries or keys"):
        folded(encoder_graph(style))


MODEL = encoder_graph(FROM_SHAPES)
BEFORE, AFTER = encoder_session(MODEL), encoder_session(folded(MODEL))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 1 << 30))
def test_scores_are_the_same_for_any_batch(lengths: list[int], seed: int) -> None:
    arrays = encoder_feed(MODEL, lengths, seed)
    np.testing.assert_allclose(AFTER.run(None, arrays)[0], BEFORE.run(None, arrays)[0], rtol=1e-5, atol=1e-5)


def test_queries_that_something_else_reads_keep_their_scale() -> None:
    """The keys' scale, which nothing else sees, goes into the keys' own matrix."""
    model = encoder_graph(FROM_SHAPES)
    queries = scores_of(model)[0].input[0]
    model.graph.output.add(name=queries).type.tensor_type.elem_type = 1
    rewritten = folded(model)
    arrays = encoder_feed(model, [5, 12, 9])
    for wanted, got in zip(
        encoder_session(model).run(None, arrays), encoder_session(rewritten).run(None, arrays), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    makers = {node.output[0]: node.op_type for node in rewritten.graph.node}
    assert [makers[name] for name in scores_of(rewritten)[0].input] == ["Mul", "Transpose"]


def test_a_scale_that_is_an_input_stays() -> None:
    model = encoder_graph(STYLES["bert, sdpa, TorchScript"])
    roots = {
        name
        for node in model.graph.node
        if node.op_type == "MatMul"
        for maker in model.graph.node
        if maker.op_type == "Mul" and maker.output[0] in node.input
        for name in maker.input
        if name.startswith("stored")
    }
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name in roots]:
        model.graph.initializer.remove(tensor)
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, 1, []))
    with pytest.raises(NotApplicableError, match="no scale of queries or keys"):
        folded(model)


def test_lengths_that_only_an_input_tells_are_not_known() -> None:
    values = static_values(GraphView(encoder_graph(FROM_SHAPES), HERE))
    view = GraphView(encoder_graph(FROM_SHAPES), HERE)
    asked = [
        node
        for node in view.nodes
        if node.op_type == "Gather" and getattr(view.made_by(node.input[0]), "op_type", "") == "Shape"
    ]
    known = [values[node.output[0]].tolist() for node in asked if node.output[0] in values]
    assert known == [8, 8]
    assert len(asked) > len(known)


def test_the_first_row_is_found_after_it() -> None:
    rewritten = folded(encoder_graph(FROM_SHAPES))
    assert first_row.apply(GraphView(rewritten, HERE))
