"""Limits and labels come from files that nobody checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from rerankd.artifacts.files import ModelFiles
from rerankd.backends.onnx.model_config import FALLBACK_MAX_TOKENS, ModelConfig, read_model_config


def read(config: dict[str, object], tokenizer_config: dict[str, object] | None = None) -> ModelConfig:
    return read_model_config(
        ModelFiles(
            id="a",
            revision="b",
            graph=Path(),
            tokenizer=Path(),
            config=config,
            tokenizer_config=tokenizer_config or {},
        )
    )


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "expected"),
    [
        ({}, {}, FALLBACK_MAX_TOKENS),
        ({"max_position_embeddings": 512}, {}, 512),
        ({"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}, {}, 512),
        ({"max_position_embeddings": 514, "model_type": "roberta"}, {}, 512),
        ({"max_position_embeddings": 8192, "model_type": "modernbert", "pad_token_id": 50283}, {}, 8192),
        ({"max_position_embeddings": 8192}, {"model_max_length": 1024}, 1024),
        ({"max_position_embeddings": 512}, {"model_max_length": 1000000000000000019884624838656}, 512),
        ({"max_position_embeddings": 512}, {"model_max_length": 0}, 512),
        ({"max_position_embeddings": 512}, {"model_max_length": "many"}, 512),
        ({"max_position_embeddings": -1}, {"model_max_length": 256.0}, 256),
        ({"max_position_embeddings": True}, {}, FALLBACK_MAX_TOKENS),
    ],
)
def test_the_longest_pair(
    config: dict[str, object], tokenizer_config: dict[str, object], expected: int
) -> None:
    assert read(config, tokenizer_config).max_tokens == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, None),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, None),
        ({"id2label": {"0": "irrelevant", "1": "relevant"}}, 1),
        ({"id2label": {"0": "Yes", "1": "No"}}, 0),
        ({"id2label": {"0": "contradiction", "1": "entailment", "2": "neutral"}}, 1),
        ({"label2id": {"not_entailment": 1, "entailment": 0}}, 0),
        ({"id2label": {"0": "true", "1": "yes"}}, None),
        ({"id2label": ["LABEL_0"]}, None),
        ({"id2label": {"first": "yes"}}, None),
    ],
)
def test_the_positive_class(config: dict[str, object], expected: int | None) -> None:
    assert read(config).positive_class == expected


def test_positions_start_after_padding_in_the_roberta_family() -> None:
    assert read({"model_type": "camembert", "pad_token_id": 1}).first_position == 2
    assert read({"model_type": "bert", "pad_token_id": 0}).first_position == 0
