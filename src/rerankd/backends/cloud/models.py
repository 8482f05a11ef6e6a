"""Which models of providers there are."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from rerankd.backends.base import ProgressReporter
from rerankd.backends.cloud.account import Account
from rerankd.backends.cloud.backend import CloudBackend
from rerankd.backends.cloud.providers import PROVIDERS, Provider
from rerankd.backends.cloud.settings import CloudSettings, ProviderSettings
from rerankd.core.errors import ModelNotFoundError
from rerankd.core.types import WarmupStage

# Requests name models, and names go into logs and metrics.
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


class CloudModels:
    """The source of the models `cohere/…`, `voyage/…` and `jina/…`."""

    def __init__(
        self,
        settings: CloudSettings,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keys that are not in `settings` are read from `environ` now."""
        self._settings = settings
        self._clock = clock
        self._providers = {provider.name: provider for provider in PROVIDERS}
        self._accounts: dict[str, Account] = {}
        for provider in PROVIDERS:
            own: ProviderSettings = getattr(settings, provider.name)
            key = (own.api_key or environ.get(provider.key_variable, "")).strip()
            if key:
                self._accounts[provider.name] = Account(provider, own, key, clock=clock)

    def find(self, name: str) -> str | None:
        """The name itself, where it is a provider's.

        Raises:
            ModelNotFoundError: The provider has no key here, or `allow` does not name the model.
        """
        provider = self._providers.get(name.partition("/")[0])
        if provider is None or "/" not in name:
            return None
        if not _MODEL.fullmatch(name.partition("/")[2]):
            raise ModelNotFoundError(f"{provider.name}/ must be followed by the name of a model")
        if provider.name not in self._accounts:
            raise _without_key(name, provider)
        if not self._allows(name):
            raise ModelNotFoundError(
                f"{name} is not among the models that cloud.allow names", metadata={"model": name}
            )
        return name

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """None: names of providers' models are their own."""
        return ()

    def names(self) -> list[str]:
        """What `allow` names in full, of the providers that have a key; patterns name nothing."""
        return [
            name
            for name in self._settings.allow
            if name.partition("/")[0] in self._accounts and _MODEL.fullmatch(name.partition("/")[2])
        ]

    def load(self, model_id: str, report: ProgressReporter) -> CloudBackend:
        """A model by the id that `find` gave; makes the provider's client if there is none yet.

        Raises:
            ModelNotFoundError: As `find`.
            ModelFailedError: liter-llm is not installed, or the key cannot be sent.
        """
        self.find(model_id)
        account = self._accounts[model_id.partition("/")[0]]
        report(WarmupStage.RESOLVE, 1.0, f"a model of {account.provider.name}")
        account.open()
        return CloudBackend(
            model_id,
            account,
            self._settings,
            is_listwise=any(fnmatchcase(model_id, pattern) for pattern in self._settings.listwise_models),
            clock=self._clock,
        )

    def _allows(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._settings.allow)


def _without_key(name: str, provider: Provider) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"{name} needs a key of {provider.name}, and this server has none; the operator can set "
        f"cloud.{provider.name}.api_key or {provider.key_variable}",
        metadata={"model": name},
    )
