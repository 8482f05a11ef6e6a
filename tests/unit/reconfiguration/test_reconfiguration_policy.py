"""Which model a mode stands for, and who may change that."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from rerankd.config import RerankingConfig
from rerankd.core.errors import ForbiddenError, UnauthenticatedError
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.types import FailureMode
from rerankd.reconfiguration.admin import Admin
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


@pytest.mark.parametrize("header", ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "])
def test_the_token_is_let_in(header: str) -> None:
    Admin(SecretStr("s3cret")).check(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "s3cret",
        "Bearer",
        "Bearer ",
        "Bearer s3cret2",
        "Bearer s3cre",
        "Basic s3cret",
        "Bearers3cret",
    ],
)
def test_nothing_else_is(header: str | None) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        Admin(SecretStr("s3cret")).check(header)
    assert "s3cre" not in str(caught.value)


@pytest.mark.parametrize("token", [None, SecretStr("")])
@pytest.mark.parametrize("header", [None, "Bearer ", "Bearer s3cret"])
def test_without_a_token_nobody_is(token: SecretStr | None, header: str | None) -> None:
    with pytest.raises(ForbiddenError, match=r"set admin\.token"):
        Admin(token).check(header)
