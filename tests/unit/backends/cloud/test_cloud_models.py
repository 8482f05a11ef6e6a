from __future__ import annotations

import subprocess
import sys

import pytest

from rerankd.backends.base import TextBackendTraits
from rerankd.backends.cloud import CloudModels, CloudSettings, ProviderSettings
from rerankd.core.errors import ModelFailedError, ModelNotFoundError
from rerankd.core.types import LongDocument, WarmupStage

KEY = "sekrit-key"
COHERE = CloudSettings(cohere=ProviderSettings(api_key=KEY))


def ignore(stage: WarmupStage, fraction: float, line: str) -> None:
    pass


@pytest.mark.parametrize("name", ["", "cohere", "default", "BAAI/bge-reranker-base", "jinaai/x", "/x"])
def test_names_of_others_are_left_to_them(name: str) -> None:
    assert CloudModels(COHERE, environ={}).find(name) is None


def test_a_name_is_its_own_id() -> None:
    models = CloudModels(COHERE, environ={})
    assert models.find("cohere/rerank-v3.5") == "cohere/rerank-v3.5"
    assert models.aliases_of("cohere/rerank-v3.5") == ()


@pytest.mark.parametrize("name", ["cohere/", "cohere/ ", "cohere/a b", "cohere/a\nb", "cohere/" + "x" * 200])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="followed by the name of a model"):
        CloudModels(COHERE, environ={}).find(name)


@pytest.mark.parametrize(
    ("provider", "variable"),
    [("cohere", "COHERE_API_KEY"), ("voyage", "VOYAGE_API_KEY"), ("jina", "JINA_API_KEY")],
)
def test_a_missing_key_is_told_with_its_setting_and_variable(provider: str, variable: str) -> None:
    name = f"{provider}/some-model"
    with pytest.raises(ModelNotFoundError, match=rf"cloud\.{provider}\.api_key or {variable}"):
        CloudModels(CloudSettings(), environ={variable: "  "}).find(name)
    assert CloudModels(CloudSettings(), environ={variable: KEY}).find(name) == name


def test_only_allowed_models_are_found_and_listed() -> None:
    settings = CloudSettings(
        allow=("cohere/rerank-v3.5", "cohere/rerank-4*", "voyage/rerank-2.5", "default"),
        cohere=ProviderSettings(api_key=KEY),
    )
    models = CloudModels(settings, environ={})
    assert models.find("cohere/rerank-4-pro")
    with pytest.raises(ModelNotFoundError, match=r"not among the models that cloud\.allow names"):
        models.find("cohere/rerank-english-v3.0")
    assert models.names() == ["cohere/rerank-v3.5"]


def test_a_model_says_what_it_is() -> None:
    settings = CloudSettings(max_concurrency=3, cohere=ProviderSettings(api_key=KEY))
    backend = CloudModels(settings, environ={}).load("cohere/rerank-v3.5", ignore)
    description = backend.description
    assert (description.id, description.backend, description.provider) == (
        "cohere/rerank-v3.5",
        "cloud",
        "cohere",
    )
    assert description.is_cloud
    assert description.supports_max_tokens
    assert description.long_documents == (LongDocument.TRUNCATE_END,)
    assert backend.traits == TextBackendTraits(max_concurrency=3, chunk_documents=100)


def test_listwise_models_are_not_comparable_unless_merging_is_wanted() -> None:
    environ = {"JINA_API_KEY": KEY}
    for name, merge, comparable in [
        ("jina/jina-reranker-v3", False, False),
        ("jina/jina-reranker-v3", True, True),
        ("jina/jina-reranker-v2-base-multilingual", False, True),
    ]:
        backend = CloudModels(CloudSettings(merge_listwise=merge), environ=environ).load(name, ignore)
        assert backend.traits.comparable is comparable
        assert not backend.description.supports_max_tokens


@pytest.mark.parametrize("key", ["a b", "a\nb", "schlüssel"])
def test_a_key_that_no_header_can_hold_fails_the_load_without_being_told(key: str) -> None:
    models = CloudModels(CloudSettings(cohere=ProviderSettings(api_key=key)), environ={})
    with pytest.raises(ModelFailedError, match=r"check cloud\.cohere\.api_key") as raised:
        models.load("cohere/rerank-v3.5", ignore)
    assert key not in str(raised.value)


def test_keys_are_in_no_representation() -> None:
    models = CloudModels(COHERE, environ={})
    models.load("cohere/rerank-v3.5", ignore)
    account = models._accounts["cohere"]
    for thing in (COHERE, COHERE.cohere, models, account, account._client):
        assert KEY not in repr(thing)


def test_a_missing_library_is_told_with_the_extra() -> None:
    script = """
import sys
sys.modules["liter_llm"] = None
from rerankd.backends.cloud import CloudModels, CloudSettings
models = CloudModels(CloudSettings(), environ={"COHERE_API_KEY": "k"})
models.find("cohere/x")
try:
    models.load("cohere/x", print)
except Exception as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "ModelFailedError models of providers need liter-llm" in run.stdout
    assert "pip install 'rerankd[cloud]'" in run.stdout


def test_importing_the_room_does_not_import_the_library() -> None:
    script = "import sys, rerankd.backends.cloud; print('liter_llm' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_documents": 0}, "max_documents is 0"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"unit_price_usd": -0.1}, "unit_price_usd"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"budget_usd_per_minute": 1.0}, "needs unit_price_usd"),
        ({"base_url": "api.cohere.com"}, "base_url must begin with https://"),
    ],
)
def test_impossible_accounts_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProviderSettings(**settings)


@pytest.mark.parametrize(
    "settings",
    [{"max_concurrency": 0}, {"circuit_failures": 0}, {"retries": -1}, {"circuit_open_seconds": -1}],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        CloudSettings(**settings)
