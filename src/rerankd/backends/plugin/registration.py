"""Plugins that the program which runs the server hands over."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from rerankd.backends.plugin.protocol import Plugin, PluginIdentity, identify


class PluginRegister:
    """Plugins by name. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plugins: dict[str, tuple[Plugin, PluginIdentity]] = {}

    def add(self, plugin: Plugin) -> None:
        """Offers a plugin under its name.

        Raises:
            TypeError: It is no plugin.
            ValueError: Its name is none, or another plugin has it.
        """
        identity = identify(plugin)
        with self._lock:
            if identity.name in self._plugins:
                raise ValueError(
                    f"a plugin named {identity.name} is registered already; give this one another name"
                )
            self._plugins[identity.name] = (plugin, identity)

    def identities(self) -> Mapping[str, PluginIdentity]:
        """What the plugins say of themselves, by name."""
        with self._lock:
            return {name: identity for name, (_, identity) in self._plugins.items()}

    def get(self, name: str) -> Plugin | None:
        """The plugin of a name."""
        with self._lock:
            found = self._plugins.get(name)
        return found[0] if found else None


REGISTER = PluginRegister()
"""The plugins of this process."""


def register_backend(plugin: Plugin) -> None:
    """Offers a plugin to the server that this process is going to run; see `PluginRegister.add`."""
    REGISTER.add(plugin)
