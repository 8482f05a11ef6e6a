"""Models of providers pass what every backend that is handed texts must pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.providers import KEY, MODELS, FakeProvider

from rerankd.backends.base import TextBackend
from rerankd.backends.cloud import CloudModels, CloudSettings, ProviderSettings
from rerankd.backends.testing import TextBackendAcceptance


class _OfProvider(TextBackendAcceptance):
    name: str
    model: str

    @pytest.fixture(autouse=True)
    def _provider(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with FakeProvider(self.name).running() as provider:
            account = ProviderSettings(api_key=KEY, base_url=provider.base_url)
            self.models = CloudModels(CloudSettings(**{self.name: account}), environ={})
            yield

    def make_backend(self) -> TextBackend:
        return self.models.load(f"{self.name}/{self.model}", lambda *_: None)


class TestCohere(_OfProvider):
    name, model = "cohere", MODELS["cohere"][0]


class TestVoyage(_OfProvider):
    name, model = "voyage", MODELS["voyage"][0]


class TestJina(_OfProvider):
    name, model = "jina", MODELS["jina"][0]


class TestJinaListwise(_OfProvider):
    name, model = "jina", MODELS["jina"][1]
