"""Which model a mode stands for, and who may change that."""

from __future__ import annotations

import pytest

from rerankd.config import RerankingConfig
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.types import FailureMode
from rerankd.reconfiguration.policy import default_model_of, policy_of


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ({}, ""),
        ({"local_model": "fast"}, "fast"),
        ({"mode": "none", "local_model": "fast"}, "none"),
        ({"mode": "learning", "learning_model": "mine", "local_model": "fast"}, "mine"),
        ({"mode": "cloud"}, "cohere/rerank-v3.5"),
        ({"mode": "cloud", "cloud_provider": "voyage"}, "voyage/rerank-2.5"),
        ({"mode": "cloud", "cloud_provider": "jina"}, "jina/jina-reranker-v2-base-multilingual"),
        ({"mode": "cloud", "cloud_provider": "jina", "cloud_model": "x"}, "jina/x"),
    ],
)
def test_each_mode_has_its_model(section: dict[str, str], model: str) -> None:
    assert default_model_of(RerankingConfig.model_validate(section)) == model


def test_a_policy_has_what_the_section_says() -> None:
    section = RerankingConfig(
        local_model="fast",
        max_scored_documents=50,
        cloud_top_n=20,
        timeout_seconds=2.5,
        snippet_chars=700,
        document_fields=("title",),
        on_failure="original_order",
        fallback_models=("none",),
    )
    assert policy_of(section, 3) == RerankingPolicy(
        default_model="fast",
        max_scored_documents=50,
        cloud_top_n=20,
        timeout_seconds=2.5,
        snippet_chars=700,
        document_fields=("title",),
        on_failure=FailureMode.ORIGINAL_ORDER,
        fallback_models=("none",),
        generation=3,
    )
