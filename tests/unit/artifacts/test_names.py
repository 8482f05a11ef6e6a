"""Names: what they stand for, what requests may load, and that no name is ever a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rerankd.artifacts import ArtifactSettings, ArtifactStore
from rerankd.core.errors import ModelNotFoundError

NOWHERE = Path("/nonexistent/cache")


def store(**settings: Any) -> ArtifactStore:
    return ArtifactStore(ArtifactSettings(cache_dir=NOWHERE, **settings))


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("", "rerankd/mini-en"),
        ("default", "rerankd/mini-en"),
        ("fast", "cross-encoder/ms-marco-MiniLM-L6-v2"),
        ("cross-encoder/ms-marco-MiniLM-L-6-v2", "cross-encoder/ms-marco-MiniLM-L6-v2"),
        ("cross-encoder/ms-marco-MiniLM-L6-v2", "cross-encoder/ms-marco-MiniLM-L6-v2"),
        ("cross-encoder/ms-marco-MiniLM-L-12-v2", "cross-encoder/ms-marco-MiniLM-L12-v2"),
        ("balanced", "BAAI/bge-reranker-base"),
        ("quality", "BAAI/bge-reranker-large"),
        ("multilingual", "BAAI/bge-reranker-v2-m3"),
        ("BAAI__bge_reranker_v2_m3", "BAAI/bge-reranker-v2-m3"),
        ("onnx-community/bge-reranker-v2-m3-ONNX", "BAAI/bge-reranker-v2-m3"),
    ],
)
def test_known_names(name: str, model_id: str) -> None:
    assert store().canonical(name) == model_id
    if name not in ("", model_id):
        assert name in store().aliases_of(model_id)
    assert model_id not in store().aliases_of(model_id)


def test_the_configured_default_stands_for_the_empty_name() -> None:
    here = store(default_model="acme/own")
    assert here.canonical("") == "acme/own"
    assert here.canonical("acme/own") == "acme/own", "what runs by default may be asked for by its id"
    assert store(default_model="").canonical("") == "rerankd/mini-en"


def test_requests_load_only_what_is_allowed() -> None:
    here = store(allow=("acme/*", "mixedbread-ai/mxbai-rerank-base-v1"))
    assert here.canonical("acme/any-model_1.0") == "acme/any-model_1.0"
    assert here.canonical("mixedbread-ai/mxbai-rerank-base-v1") == "mixedbread-ai/mxbai-rerank-base-v1"
    for name in ("other/model", "Acme/model", "mixedbread-ai/mxbai-rerank-base-v11"):
        with pytest.raises(ModelNotFoundError) as caught:
            here.canonical(name)
        assert caught.value.metadata == {"model": name}
        for told in ("models.allow", "acme/*", "fast", "multilingual"):
            assert told in caught.value.message


def test_the_operator_may_name_any_repository() -> None:
    assert store().canonical("other/model", trusted=True) == "other/model"
    with pytest.raises(ModelNotFoundError):
        store().canonical("../etc", trusted=True)


def test_a_pattern_for_all_still_names_no_path() -> None:
    here = store(allow=("*",))
    assert here.canonical("any/thing") == "any/thing"
    with pytest.raises(ModelNotFoundError, match="not a path"):
        here.canonical("../../etc/passwd")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 201, "at most 200 characters, not 201"),
        ("/etc/passwd", "not a path"),
        ("../model", "not a path"),
        ("./model", "not a path"),
        ("~/model", "not a path"),
        ("a/../b", "not a path"),
        ("a/b/c", "not a path"),
        ("C:\\models", "not a path"),
        ("https://huggingface.co/BAAI/bge-reranker-base", "not an address"),
        ("file:///etc/passwd", "not an address"),
        ("acme/mo\x00del", "no control characters"),
        ("acme/model\n", "no control characters"),
        ("acme/model\u202e", "no control characters"),
        ("fsat", "no model is called 'fsat'; there are default, fast"),
        ("acme/", "not a model name"),
        ("/acme", "not a path"),
        ("acme/-model", "not a model name"),
        ("acme/model.", "not a model name"),
        ("acme/a--b", "not a model name"),
        ("acme/model.git", "not a model name"),
        ("acme/" + "x" * 97, "not a model name"),
        ("acme/modèle", "not a model name"),
        ("acme model", "not a model name"),
        ("acme/model@v1", "not a model name"),
    ],
)
def test_strange_names_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ModelNotFoundError, match=reason) as caught:
        store(allow=("*",)).canonical(name)
    assert caught.value.message.isprintable()
    assert caught.value.metadata["model"].isprintable()
    assert len(caught.value.metadata["model"]) <= 200


def test_the_operators_names_win() -> None:
    here = store(
        local={"house": Path("/models/house"), "quality": Path("/models/q")},
        aliases={"fast": "acme/quick", "quick": "fast", "mixpeek://mine@1.0.0/rerank": "house"},
    )
    assert here.canonical("house") == "house"
    assert here.canonical("quality") == "quality"
    assert here.canonical("fast") == here.canonical("quick") == "acme/quick"
    assert here.canonical("acme/quick") == "acme/quick", "an alias opens the model it names"
    assert here.canonical("mixpeek://mine@1.0.0/rerank") == "house"
    assert here.aliases_of("house") == ("mixpeek://mine@1.0.0/rerank",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"aliases": {"a": "b", "b": "a"}}, "leads back to itself"),
        ({"aliases": {"a": "nothing-such"}}, "means no model"),
        ({"aliases": {"a": "fast"}, "local": {"a": Path("/m")}}, "both an alias and a local model"),
        ({"precision": "fp8"}, "no precision"),
        ({"precisions": {"fast": "int4"}}, "no precision"),
    ],
)
def test_contradictions_are_found_at_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        store(**settings)


def test_the_token_is_not_printed() -> None:
    assert "hf_secret" not in repr(ArtifactSettings(cache_dir=NOWHERE, hub_token="hf_secret"))


names = st.one_of(
    st.text(max_size=220),
    st.text(alphabet="ab./\\~-_:\0 \n%", max_size=30),
    st.lists(st.sampled_from(["..", ".", "etc", "a", "", "~", "C:", "--"]), max_size=5).map("/".join),
)


@given(name=names, trusted=st.booleans())
@example(name="a/.._", trusted=True)
@example(name="a/_..", trusted=True)
def test_no_name_leads_out_of_the_cache(name: str, trusted: bool) -> None:
    here = store(allow=("*",))
    try:
        model_id = here.canonical(name, trusted=trusted)
    except ModelNotFoundError as error:
        assert error.message.isprintable()  # noqa: PT017
        return
    assert here.canonical(model_id) == model_id
    owner, slash, rest = model_id.partition("/")
    assert slash
    for part in (owner, rest):
        assert part not in ("", ".", "..")
        assert not {"/", "\\", "\0"} & set(part)
    target = (NOWHERE / model_id).resolve()
    assert target.is_relative_to(NOWHERE)
