"""Two computations side by side, and weights stored as int8."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.encoder_graphs import Style, encoder_graph

from rerankd.training.export.parity import DevQuery, compare
from rerankd.training.export.storage import quantized, with_int8_weights

pytest.importorskip("ir_measures", reason="the extra `train` is not installed")

QUERY = DevQuery(query="q", texts=("a", "b", "c"), labels=(0.0, 0.0, 1.0))


def test_a_computation_is_like_itself() -> None:
    logits = [np.array([0.1, 0.2, 0.3])]

    parity = compare([QUERY], logits, logits)

    assert (parity.pairs, parity.queries, parity.max_logit_change, parity.rms_logit_change) == (3, 1, 0, 0)
    assert (parity.kendall_tau, parity.ndcg_before, parity.ndcg_change) == (1.0, 1.0, 0.0)


def test_a_reversed_order_is_told_in_every_figure() -> None:
    parity = compare([QUERY], [np.array([0.1, 0.2, 0.3])], [np.array([0.3, 0.2, 0.0])])

    assert parity.kendall_tau == pytest.approx(-1.0)
    assert parity.max_logit_change == pytest.approx(0.3)
    assert parity.rms_logit_change == pytest.approx(np.sqrt((0.04 + 0.09) / 3))
    # The relevant document goes from the first place to the third.
    assert (parity.ndcg_before, parity.ndcg_after) == (1.0, pytest.approx(1 / np.log2(4)))


def test_rounding_of_equal_scores_changes_no_order() -> None:
    parity = compare([QUERY], [np.array([0.2, 0.3, 0.3])], [np.array([0.2, 0.3, 0.3 + 1e-8])])

    assert parity.kendall_tau == pytest.approx(1.0)
    assert parity.ndcg_change == 0


def test_no_query_is_no_difference() -> None:
    parity = compare([], [], [])

    assert (parity.pairs, parity.max_logit_change, parity.kendall_tau, parity.ndcg_after) == (0, 0, 1, 0)


@given(
    values=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(-100, 100, width=32)
    ),
    axis=st.sampled_from([0, 1]),
)
def test_a_stored_weight_is_within_half_a_level(values: np.ndarray, axis: int) -> None:
    levels, scales = quantized(values, axis)

    restored = levels.astype(np.float64) * np.expand_dims(scales.astype(np.float64), 1 - axis)

    assert levels.dtype == np.int8
    assert (np.abs(restored - values) <= 0.501 * np.expand_dims(scales, 1 - axis) + 1e-12).all()


def test_matrices_are_stored_small_under_their_names_and_the_rest_stays() -> None:
    import onnxruntime

    graph = encoder_graph(Style(), 400)
    small = with_int8_weights(graph)

    dequantized = {node.output[0] for node in small.graph.node if node.op_type == "DequantizeLinear"}
    matrices = {
        tensor.name
        for tensor in graph.graph.initializer
        if len(tensor.dims) == 2 and np.prod(tensor.dims) >= 1024 and tensor.data_type == 1
    }
    assert dequantized == matrices
    assert small.ByteSize() < 0.45 * graph.ByteSize()
    feed = {
        "input_ids": np.arange(24, dtype=np.int64).reshape(2, 12),
        "attention_mask": np.ones((2, 12), dtype=np.int64),
        "token_type_ids": np.zeros((2, 12), dtype=np.int64),
    }
    plain, stored = (
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, feed
        )[0]
        for model in (graph, small)
    )
    assert 0 < np.abs(plain - stored).max() < 0.1 * max(1.0, np.abs(plain).max())
