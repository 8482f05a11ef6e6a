"""Batches are padded on the right with what the model and its inputs want."""

from __future__ import annotations

import numpy as np
import pytest

from rerankd.backends.onnx.pairs import BatchAssembler, WholePair

ALL = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


def pair(*ids: int, kind: int = 0) -> WholePair:
    return WholePair(
        ids=np.array(ids, dtype=np.int32),
        types=np.full(len(ids), kind, dtype=np.int32),
        dropped_tokens=0,
        start_char=0,
        end_char=0,
    )


def assembler(*inputs: str, dtype: type = np.int64, **options: int) -> BatchAssembler:
    return BatchAssembler(inputs=dict.fromkeys(inputs or ALL, dtype), pad_token_id=9, **options)


def test_short_rows_are_padded_on_the_right() -> None:
    feed = assembler().assemble([pair(1, 2, 3, kind=1), pair(4)])
    assert feed["input_ids"].tolist() == [[1, 2, 3], [4, 9, 9]]
    assert feed["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert feed["token_type_ids"].tolist() == [[1, 1, 1], [0, 0, 0]]
    assert feed["position_ids"].tolist() == [[0, 1, 2], [0, 0, 0]]


def test_roberta_counts_positions_after_the_padding_token() -> None:
    feed = assembler(first_position=2).assemble([pair(1, 2, 3), pair(4)])
    assert feed["position_ids"].tolist() == [[2, 3, 4], [2, 1, 1]]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_only_the_inputs_of_the_graph_are_given_in_its_type(dtype: type) -> None:
    feed = assembler("input_ids", "attention_mask", dtype=dtype).assemble([pair(1)])
    assert {name: array.dtype for name, array in feed.items()} == {
        "input_ids": dtype,
        "attention_mask": dtype,
    }


def test_types_that_the_model_has_no_row_for_become_zero() -> None:
    assert assembler(type_vocab_size=1).assemble([pair(1, kind=1)])["token_type_ids"].tolist() == [[0]]
    assert assembler(type_vocab_size=2).assemble([pair(1, kind=1)])["token_type_ids"].tolist() == [[1]]
    assert assembler(type_vocab_size=0).assemble([pair(1, kind=1)])["token_type_ids"].tolist() == [[1]]
