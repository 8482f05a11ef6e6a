"""Only the first row goes through the last layer, and the scores are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoder_graphs import STYLES, Style, encoder_feed, encoder_graph, encoder_session

from rerankd.backends.onnx.graph import first_row
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError

HERE = Path()
PRODUCTS_OF_A_LAYER = 6
"""Query, scores, mixing, attention output, two of the feed-forward block; keys and values are made whole."""


def rewritten(model: onnx.ModelProto) -> tuple[onnx.ModelProto, frozenset[str]]:
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    return copy, first_row.apply(GraphView(copy, HERE))


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_scores_are_the_same(style: Style) -> None:
    model = encoder_graph(style)
    narrow, tensors = rewritten(model)
    before, after = encoder_session(model), encoder_session(narrow)
    for number, lengths in enumerate(([7], [5, 12, 9], [1, 1], [40, 3, 17, 40])):
        arrays = encoder_feed(model, lengths, number)
        (wanted,), (got,) = before.run(None, arrays), after.run(None, arrays)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
        assert wanted.std() > 0.05 or len(set(lengths)) == 1
    products = [node for node in narrow.graph.node if node.op_type == "MatMul" and node.output[0] in tensors]
    assert len(products) == PRODUCTS_OF_A_LAYER


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_the_last_layer_works_on_one_row(style: Style) -> None:
    model = encoder_graph(style)
    narrow, tensors = rewritten(model)
    products = [n.output[0] for n in narrow.graph.node if n.op_type == "MatMul" and n.output[0] in tensors]
    for name in products:
        narrow.graph.output.add(name=name).type.tensor_type.elem_type = 1
    results = encoder_session(narrow).run(products, encoder_feed(model, [5, 12, 9]))
    assert all(result.shape[-2] == 1 for result in results)


MODEL = encoder_graph(STYLES["bert, sdpa, TorchScript"])
BEFORE, AFTER = encoder_session(MODEL), encoder_session(rewritten(MODEL)[0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 1 << 30))
def test_scores_are_the_same_for_any_batch(lengths: list[int], seed: int) -> None:
    arrays = encoder_feed(MODEL, lengths, seed)
    np.testing.assert_allclose(AFTER.run(None, arrays)[0], BEFORE.run(None, arrays)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("style", "reason"),
    [
        (Style(pick="mean"), "no operator picks the first row"),
        (Style(pick="both"), "wanted elsewhere too"),
    ],
)
def test_a_head_that_reads_more_rows_is_left_alone(style: Style, reason: str) -> None:
    with pytest.raises(NotApplicableError, match=reason):
        rewritten(encoder_graph(style))


def test_another_row_is_not_the_first(tmp_path: Path) -> None:
    model = encoder_graph(Style())
    pick = next(
        node for node in model.graph.node if node.op_type == "Gather" and "layernorm" in node.input[0]
    )
    model.graph.initializer.add(name="one", data_type=7, int64_data=[1])
    pick.input[1] = "one"
    with pytest.raises(NotApplicableError, match="no operator picks the first row"):
        rewritten(model)


def test_an_old_graph_is_left_alone() -> None:
    model = encoder_graph(Style(opset=13, fused_norm=False))
    model.opset_import[0].version = 9
    with pytest.raises(NotApplicableError, match="opset 9; 11 is the first"):
        rewritten(model)


def test_what_a_branch_captures_stays_whole() -> None:
    """A tensor that a subgraph reads is no business of the rewrite."""
    model = encoder_graph(Style())
    last_norm = [node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"][-1]
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [last_norm], ["inner"])],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("inner", 1, None)],
    )
    model.graph.initializer.append(onnx.helper.make_tensor("always", 9, [], [True]))
    model.graph.node.append(
        onnx.helper.make_node("If", ["always"], ["seen"], then_branch=branch, else_branch=branch)
    )
    with pytest.raises(NotApplicableError, match="wanted elsewhere too"):
        rewritten(model)
