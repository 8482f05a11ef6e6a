"""Attention is one operator, and the scores are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoder_graphs import STYLES, Style, encoder_feed, encoder_graph, encoder_session

from rerankd.backends.onnx.graph import folded_scales, moved_biases, one_operator
from rerankd.backends.onnx.graph.opset import raise_opset
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError

HERE = Path()
LAYERS = 2


def joined(model: onnx.ModelProto, *, after: tuple[object, ...] = ()) -> onnx.ModelProto:
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for rewrite in after:
        rewrite.apply(GraphView(copy, HERE))  # type: ignore[attr-defined]
    raise_opset(copy, one_operator.OPSET)
    one_operator.apply(GraphView(copy, HERE))
    onnx.checker.check_model(copy, full_check=True)
    return copy


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


CASES = {name: (style, ()) for name, style in STYLES.items()} | {
    f"{name}, after the others": (
        style,
        (folded_scales, moved_biases) if style.scaled_inputs else (moved_biases,),
    )
    for name, style in STYLES.items()
}


@pytest.mark.parametrize(("style", "after"), CASES.values(), ids=CASES)
def test_scores_are_the_same_and_the_parts_are_gone(style: Style, after: tuple[object, ...]) -> None:
    model = encoder_graph(style)
    rewritten = joined(model, after=after)
    assert kinds(rewritten).count("Attention") == LAYERS
    assert not {"Softmax", "Transpose"} & set(kinds(rewritten))
    before, now = encoder_session(model), encoder_session(rewritten)
    for number, lengths in enumerate(([7], [5, 12, 9], [1, 1], [40, 3, 17, 40])):
        arrays = encoder_feed(model, lengths, number)
        (wanted,), (got,) = before.run(None, arrays), now.run(None, arrays)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
        assert wanted.std() > 0.05 or len(set(lengths)) == 1


MODEL = encoder_graph(STYLES["bert, TorchScript"])
BEFORE, AFTER = encoder_session(MODEL), encoder_session(joined(MODEL))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 1 << 30))
def test_scores_are_the_same_for_any_batch(lengths: list[int], seed: int) -> None:
    arrays = encoder_feed(MODEL, lengths, seed)
    np.testing.assert_allclose(AFTER.run(None, arrays)[0], BEFORE.run(None, arrays)[0], rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 1 << 30))
def test_a_score_does_not_depend_on_its_neighbours(lengths: list[int], seed: int) -> None:
    together = encoder_feed(MODEL, lengths, seed)
    alone = {name: values[:1, : lengths[0]] for name, values in together.items()}
    np.testing.assert_allclose(
        AFTER.run(None, together)[0][0], AFTER.run(None, alone)[0][0], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", ["bert, TorchScript", "minilm, constant shapes"])
def test_a_mask_is_expanded_once_for_all_layers(name: str) -> None:
    """By the exporter, or where it has a single row by us."""
    model = encoder_graph(STYLES[name])
    assert kinds(model).count("Expand") == ("TorchScript" in name)
    assert kinds(joined(model)).count("Expand") == 1


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_the_opset_is_raised_and_the_weights_are_as_before(style: Style) -> None:
    model = encoder_graph(style)
    raised = onnx.ModelProto.FromString(model.SerializeToString())
    for _ in range(2):
        raise_opset(raised, one_operator.OPSET)
        assert max(entry.version for entry in raised.opset_import) == 23
        after = {tensor.name: tensor for tensor in raised.graph.initializer}
        assert all(after[tensor.name] == tensor for tensor in model.graph.initializer)
    arrays = encoder_feed(model, [5, 12, 9])
    (wanted,), (got,) = encoder_session(model).run(None, arrays), encoder_session(raised).run(None, arrays)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


def changed(kind: str, change: object) -> onnx.ModelProto:
    """The graph with the first node of a kind changed."""
    model = onnx.ModelProto.FromString(MODEL.SerializeToString())
    for number, node in enumerate(model.graph.node):
        if node.op_type == kind:
            change(model.graph, number, node)  # type: ignore[operator]
            return model
    raise AssertionError(kind)


def scaled_by_a_node(graph: onnx.GraphProto, number: int, node: onnx.NodeProto) -> None:
    """A scale that stands first, and in a node."""
    scale = onnx.helper.make_tensor("scale", onnx.TensorProto.FLOAT, [], [0.7])
    graph.node.insert(number, onnx.helper.make_node("Constant", [], ["scale"], value=scale))
    scores, mask = node.input
    graph.node.insert(number + 1, onnx.helper.make_node("Mul", ["scale", scores], ["scaled"]))
    node.input[:] = [mask, "scaled"]


def test_scales_and_masks_may_stand_on_either_side() -> None:
    model = onnx.ModelProto.FromString(MODEL.SerializeToString())
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    number, masked = next(
        (number, node) for number, node in enumerate(model.graph.node) if softmax.input[0] in node.output
    )
    scaled_by_a_node(model.graph, number, masked)
    rewritten = joined(model)
    assert kinds(rewritten).count("Attention") == LAYERS
    arrays = encoder_feed(model, [5, 12, 9])
    (wanted,), (got,) = encoder_session(model).run(None, arrays), encoder_session(rewritten).run(None, arrays)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def scaled_after_the_mask(graph: onnx.GraphProto, number: int, node: onnx.NodeProto) -> None:
    graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.5), "half"))
    graph.node.insert(number, onnx.helper.make_node("Mul", [node.input[0], "half"], ["halved"]))
    node.input[0] = "halved"


def capped(graph: onnx.GraphProto, number: int, node: onnx.NodeProto) -> None:
    graph.node.insert(number, onnx.helper.make_node("Tanh", [node.input[0]], ["capped"]))
    node.input[0] = "capped"


def along_queries(graph: onnx.GraphProto, number: int, node: onnx.NodeProto) -> None:
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("axis", 2))


@pytest.mark.parametrize("change", [scaled_after_the_mask, capped, along_queries])
def test_an_attention_that_does_something_else_is_left(change: object) -> None:
    model = changed("Softmax", change)
    rewritten = joined(model)
    assert kinds(rewritten).count("Attention") == LAYERS - 1
    assert kinds(rewritten).count("Softmax") == 1
    arrays = encoder_feed(model, [5, 12, 9])
    (wanted,), (got,) = encoder_session(model).run(None, arrays), encoder_session(rewritten).run(None, arrays)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_what_has_no_attention_is_not_changed() -> None:
    rewritten = joined(MODEL)
    with pytest.raises(NotApplicableError, match="no attention"):
        one_operator.apply(GraphView(rewritten, HERE))


def test_what_cannot_be_written_in_the_opset_is_told() -> None:
    broken = onnx.ModelProto.FromString(MODEL.SerializeToString())
    broken.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(NotApplicableError, match="opset 23"):
        raise_opset(broken, one_operator.OPSET)
