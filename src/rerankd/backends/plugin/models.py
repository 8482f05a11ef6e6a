"""The plugins that there are: registered by the program, or installed beside the server."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import inspect
import logging
from collections.abc import Sequence

from rerankd.backends.base import ProgressReporter
from rerankd.backends.plugin.backend import PluginBackend
from rerankd.backends.plugin.protocol import Plugin, PluginIdentity, identify
from rerankd.backends.plugin.registration import REGISTER, PluginRegister
from rerankd.backends.versioned_names import find_versioned, split_name
from rerankd.core.errors import ModelFailedError
from rerankd.core.types import WarmupStage

logger = logging.getLogger(__name__)

ENTRY_POINTS = "rerankd.backends"
"""Group of the entry points that are plugins. The name of each is the name of its model; its value is a
plugin, or a class or function that makes one when it is called without arguments."""


class PluginModels:
    """The source of models that are plugins; see `core.catalogue.ModelSource`.

    A registered plugin goes before an installed one of the same name. An installed one has the version of
    its package, which is known before anything of it is imported.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = ("*",),
        max_concurrency: int = 4,
        register: PluginRegister = REGISTER,
    ) -> None:
        """Looks for installed plugins; imports none.

        Args:
            allow: fnmatch patterns of the names of installed plugins that may be loaded.
            max_concurrency: Calls of one plugin under way at once.
            register: The plugins that were handed over, also those that will be.

        Raises:
            ValueError: Two packages bring a plugin of the same name, or a name is none of a model.
        """
        self._installed = _installed(allow)
        # Read once: a version is in a file of its package, and names are looked up for every request.
        self._packages = {name: _identity_of(entry) for name, entry in self._installed.items()}
        self._max_concurrency = max_concurrency
        self._register = register

    def find(self, name: str) -> str | None:
        """The plugin's name, for `name` and `name@version`.

        Raises:
            ModelNotFoundError: The plugin has another version.
        """
        versions = {model_id: (model_id, known.version) for model_id, known in self._identities().items()}
        return find_versioned(name, versions)

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """The name with its version, where it has one."""
        known = self._identities().get(model_id)
        return (f"{model_id}@{known.version}",) if known and known.version else ()

    def names(self) -> Sequence[str]:
        """Registered plugins, then installed ones."""
        return list(self._identities())

    def load(self, model_id: str, report: ProgressReporter) -> PluginBackend:
        """Imports an installed plugin and makes it; a registered one is there.

        Raises:
            ModelFailedError: Importing or making it failed, or it is no plugin of that name.
        """
        identity = self._identities()[model_id]
        plugin = self._register.get(model_id)
        if plugin is None:
            report(WarmupStage.RESOLVE, 0.0, "importing the plugin")
            plugin = _make(self._installed[model_id], identity)
        return PluginBackend(plugin, identity=identity, max_concurrency=self._max_concurrency)

    def _identities(self) -> dict[str, PluginIdentity]:
        registered = self._register.identities()
        return {**registered, **{n: known for n, known in self._packages.items() if n not in registered}}


def _installed(allow: Sequence[str]) -> dict[str, importlib.metadata.EntryPoint]:
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if not any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in allow):
            continue
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise ValueError(
                f"{_package(other)} and {_package(entry)} both bring a plugin named {entry.name}; remove "
                "one, or leave it out of plugins.allow"
            )
        if split_name(entry.name)[1]:
            raise ValueError(f"the entry point {entry.name!r} of {_package(entry)} has a version in its name")
    return found


def _identity_of(entry: importlib.metadata.EntryPoint) -> PluginIdentity:
    return PluginIdentity(name=entry.name, version=entry.dist.version if entry.dist else "")


def _package(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist else "a package"


def _make(entry: importlib.metadata.EntryPoint, identity: PluginIdentity) -> Plugin:
    """The plugin of an entry point; blocks while it is imported and made."""
    metadata = {"model": entry.name}
    try:
        made = entry.load()
        # What has no `rerank` is a function that makes a plugin.
        plugin: Plugin = made() if inspect.isclass(made) or not hasattr(made, "rerank") else made
        own = identify(plugin)
    except (Exception, SystemExit) as error:
        raise ModelFailedError(
            f"the plugin {entry.name} could not be made ({type(error).__name__}); the operator's log has the "
            "cause",
            metadata=metadata,
        ) from error
    if own.name != entry.name:
        raise ModelFailedError(
            f"the entry point {entry.name} gives a plugin that calls itself {own.name}; the operator must "
            "have its package corrected",
            metadata=metadata,
        )
    if own.version and own.version != identity.version:
        logger.warning(
            "plugin has another version than its package, which counts",
            extra={"model": entry.name, "plugin": own.version, "package": identity.version},
        )
    return plugin
