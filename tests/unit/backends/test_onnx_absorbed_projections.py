"""The last layer makes no keys and no values, and the scores are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoder_graphs import STYLES, Style, encoder_feed, encoder_graph, encoder_session

from rerankd.backends.onnx.graph import absorbed_projections, first_row, folded_scales, int8, moved_biases
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError

HERE = Path()
PRODUCTS_OF_A_LAYER = 4
"""Of all tokens with a stored matrix: query, key, value, attention output; then the feed-forward block."""


def rewritten(model: onnx.ModelProto, *, alone: bool = False) -> tuple[onnx.ModelProto, frozenset[str]]:
    """Behind the rewrites that come before it, or only behind the one it needs."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    if not alone:
        if any(node.op_type == "IsNaN" for node in copy.graph.node):
            folded_scales.apply(GraphView(copy, HERE))
        moved_biases.apply(GraphView(copy, HERE))
    narrow = first_row.apply(GraphView(copy, HERE))
    absorbed_projections.apply(GraphView(copy, HERE), narrow)
    return copy, narrow


def wide_products(model: onnx.ModelProto, narrow: frozenset[str]) -> list[str]:
    """Products of all tokens with a stored matrix."""
    view = GraphView(model, HERE)
    return [
        node.output[0]
        for node in view.nodes
        if node.op_type == "MatMul"
        and node.output[0] not in narrow
        and view.ranks.get(node.output[0]) == 3
        and view.ranks.get(node.input[1]) == 2
    ]


CASES = {name: (style, False) for name, style in STYLES.items()} | {
    # Until shapes are constants, values are asked for theirs.
    f"{name}, alone": (style, True)
    for name, style in STYLES.items()
    if not style.computed_scale
}


@pytest.mark.parametrize(("style", "alone"), CASES.values(), ids=CASES)
def test_scores_are_the_same(style: Style, alone: bool) -> None:
    model = encoder_graph(style)
    absorbed, _ = rewritten(model, alone=alone)
    onnx.checker.check_model(absorbed, full_check=True)
    before, after = encoder_session(model), encoder_session(absorbed)
    for number, lengths in enumerate(([7], [5, 12, 9], [1, 1], [1], [40, 3, 17, 40])):
        arrays = encoder_feed(model, lengths, number)
        (wanted,), (got,) = before.run(None, arrays), after.run(None, arrays)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
        assert wanted.std() > 0.05 or len(set(lengths)) == 1


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_nothing_is_made_of_each_token_in_the_last_layer(style: Style) -> None:
    model = encoder_graph(style)
    absorbed, narrow = rewritten(model)
    widening = style.embedding_width != style.width
    assert len(wide_products(absorbed, narrow)) == PRODUCTS_OF_A_LAYER + 2 + widening


MODEL = encoder_graph(STYLES["bert, sdpa, scale from shapes"])
BEFORE, AFTER = encoder_session(MODEL), encoder_session(rewritten(MODEL)[0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 1 << 30), st.integers(0, 20))
def test_scores_are_the_same_for_any_batch(lengths: list[int], seed: int, hidden: int) -> None:
    """Also where no row reaches the width, as where a batch is widened to one of a few shapes."""
    arrays = encoder_feed(MODEL, [*lengths, max(lengths) + hidden], seed)
    arrays["attention_mask"][-1, max(lengths) :] = 0
    np.testing.assert_allclose(AFTER.run(None, arrays)[0], BEFORE.run(None, arrays)[0], rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=15)
@given(
    st.integers(1, 4),
    st.integers(1, 8),
    st.sampled_from(["bert, TorchScript", "minilm, constant shapes", "bert, sdpa, dynamo", "roberta"]),
)
def test_any_number_of_heads(heads: int, width: int, name: str) -> None:
    base = STYLES[name]
    style = Style(
        architecture=base.architecture,
        opset=base.opset,
        shapes=base.shapes,
        gelu=base.gelu,
        scaled_inputs=base.scaled_inputs,
        heads=heads,
        width=heads * width,
        embedding_width=heads * width,
    )
    model = encoder_graph(style)
    arrays = encoder_feed(model, [5, 12, 9])
    wanted = encoder_session(model).run(None, arrays)[0]
    got = encoder_session(rewritten(model)[0]).run(None, arrays)[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_int8_leaves_the_small_products_in_float() -> None:
    model, narrow = rewritten(encoder_graph(STYLES["bert, TorchScript"]))
    view = GraphView(model, HERE)
    inputs = int8.inputs_to_observe(view, narrow)
    small = [tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 3]
    fed = {node.input[0] for node in view.nodes if node.op_type == "MatMul" and node.input[1] in small}
    assert len(small) >= 2
    assert not fed.intersection(inputs)


def _last(model: onnx.ModelProto) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """The products of the last attention: with keys, and with values."""
    view = GraphView(model, HERE)
    softmax = next(
        number for number in reversed(range(len(view.nodes))) if view.nodes[number].op_type == "Softmax"
    )
    scores = next(node for node in reversed(view.nodes[:softmax]) if node.op_type == "MatMul")
    mixing = next(node for node in view.nodes[softmax:] if node.op_type == "MatMul")
    return scores, mixing


def _between(model: onnx.ModelProto, tensor: str, kind: str, *others: str) -> None:
    """Puts a node behind a tensor."""
    nodes = [type(node).FromString(node.SerializeToString()) for node in model.graph.node]
    for node in nodes:
        node.input[:] = ["between" if name == tensor else name for name in node.input]
    place = next(number for number, node in enumerate(nodes) if tensor in node.output) + 1
    nodes.insert(place, onnx.helper.make_node(kind, [tensor, *others], ["between"]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _keys_bent(model: onnx.ModelProto) -> None:
    _between(model, _last(model)[0].input[1], "Tanh")


def _values_bent(model: onnx.ModelProto) -> None:
    _between(model, _last(model)[1].input[1], "Tanh")


def _values_scaled(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(onnx.helper.make_tensor("two", 1, [], [2.0]))
    _between(model, _last(model)[1].input[1], "Mul", "two")


def _scores_bent(model: onnx.ModelProto) -> None:
    """Soft-capped scores are not the same but for a number when their keys have a bias."""
    _between(model, _last(model)[0].output[0], "Tanh")


def _values_shown(model: onnx.ModelProto) -> None:
    model.graph.output.add(name=_last(model)[1].input[1]).type.tensor_type.elem_type = 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_keys_bent, "more than a projection"),
        (_values_bent, "more than a projection"),
        (_values_scaled, "values of the last attention are scaled"),
        (_scores_bent, "no attention with a single query"),
        (_values_shown, "wanted elsewhere too"),
    ],
)
def test_other_attention_is_left_alone(change: Callable[[onnx.ModelProto], None], reason: str) -> None:
    model = encoder_graph(STYLES["bert, TorchScript"])
    change(model)
    with pytest.raises(NotApplicableError, match=reason):
        rewritten(model, alone=True)


def test_attention_of_all_rows_is_left_alone() -> None:
    model = encoder_graph(Style(pick="mean"))
    with pytest.raises(NotApplicableError, match="no attention with a single query"):
        absorbed_projections.apply(GraphView(model, HERE), frozenset())
