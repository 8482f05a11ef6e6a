"""Keys and values have no bias any more, and the scores are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoder_graphs import STYLES, Style, encoder_feed, encoder_graph, encoder_session

from rerankd.backends.onnx.graph import folded_scales, moved_biases
from rerankd.backends.onnx.graph.attention import attentions
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError

HERE = Path()
LAYERS = 2


def moved(model: onnx.ModelProto, *, fold: bool = False) -> onnx.ModelProto:
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    if fold:
        folded_scales.apply(GraphView(copy, HERE))
    moved_biases.apply(GraphView(copy, HERE))
    return copy


def additions(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "Add" for node in model.graph.node)


CASES = {name: (style, False) for name, style in STYLES.items()} | {
    f"{name}, folded": (style, True) for name, style in STYLES.items() if style.scaled_inputs
}


@pytest.mark.parametrize(("style", "fold"), CASES.values(), ids=CASES)
def test_scores_are_the_same_with_fewer_additions(style: Style, fold: bool) -> None:
    model = encoder_graph(style)
    rewritten = moved(model, fold=fold)
    assert additions(rewritten) == additions(model) - 2 * LAYERS
    before, after = encoder_session(model), encoder_session(rewritten)
    for number, lengths in enumerate(([7], [5, 12, 9], [1, 1], [40, 3, 17, 40])):
        arrays = encoder_feed(model, lengths, number)
        (wanted,), (got,) = before.run(None, arrays), after.run(None, arrays)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
        assert wanted.std() > 0.05 or len(set(lengths)) == 1


MODEL = encoder_graph(STYLES["bert, TorchScript"])
BEFORE, AFTER = encoder_session(MODEL), encoder_session(moved(MODEL))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 1 << 30))
def test_scores_are_the_same_for_any_batch(lengths: list[int], seed: int) -> None:
    arrays = encoder_feed(MODEL, lengths, seed)
    np.testing.assert_allclose(AFTER.run(None, arrays)[0], BEFORE.run(None, arrays)[0], rtol=1e-5, atol=1e-5)


def test_the_bias_of_queries_stays() -> None:
    """It weighs keys against each other."""
    view = GraphView(moved(MODEL), HERE)
    for found in attentions(view):
        node = view.made_by(view.nodes[found.scores].input[0])
        while node is not None and node.op_type in ("Transpose", "Reshape"):
            node = view.made_by(node.input[0])
        assert node is not None
        assert node.op_type == "Add"


def test_values_that_something_else_reads_keep_their_bias() -> None:
    model = onnx.ModelProto.FromString(MODEL.SerializeToString())
    view = GraphView(model, HERE)
    values = [view.nodes[found.mixing].input[1] for found in attentions(view)]
    for name in values:
        model.graph.output.add(name=name).type.tensor_type.elem_type = 1
    rewritten = moved(model)
    assert additions(rewritten) == additions(model) - LAYERS
    arrays = encoder_feed(model, [5, 12, 9])
    for wanted, got in zip(
        encoder_session(model).run(None, arrays), encoder_session(rewritten).run(None, arrays), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_there_may_be_nothing_to_move() -> None:
    with pytest.raises(NotApplicableError, match="no keys or values with a bias"):
        moved(moved(MODEL))
