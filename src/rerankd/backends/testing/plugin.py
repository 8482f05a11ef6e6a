"""The checks of a plugin."""

from __future__ import annotations

import asyncio
import importlib.metadata

from rerankd.backends.base import TextCall
from rerankd.backends.plugin import (
    ENTRY_POINTS,
    Plugin,
    PluginBackend,
    PluginModels,
    PluginRegister,
    identify,
)
from rerankd.backends.testing.expectations import QUERY, TEXTS, expect
from rerankd.backends.testing.text import TextBackendAcceptance


class PluginAcceptance(TextBackendAcceptance):
    """A plugin as the server uses it; derive and say how one is made.

    class TestMyPlugin(PluginAcceptance):
        entry_point = "my-reranker"

        def make_plugin(self) -> Plugin:
            return MyPlugin()
    """

    entry_point: str = ""
    """Name of the entry point under which the plugin is installed; empty = it is registered by code."""
    max_concurrency: int = 4
    """Calls at once, as `plugins.max_concurrency` of the server."""

    def make_plugin(self) -> Plugin:
        """A plugin that was not initialized; called once for each check."""
        raise NotImplementedError("derive from PluginAcceptance and give a plugin")

    def make_backend(self) -> PluginBackend:
        """The plugin as a model."""
        return PluginBackend(self.make_plugin(), max_concurrency=self.max_concurrency)

    def test_it_can_be_registered(self) -> None:
        """It has a name that requests can write, and says the same of itself each time."""
        plugin, register = self.make_plugin(), PluginRegister()
        register.add(plugin)
        expect(
            register.identities() == {plugin.name(): identify(plugin)}, "it changes what it says of itself"
        )

    def test_its_entry_point_gives_it(self) -> None:
        """Where it has an entry point, that gives a plugin of the same name which scores the same."""
        if not self.entry_point:
            return
        names = {entry.name for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}
        expect(self.entry_point in names, f"no entry point {self.entry_point!r} of the group {ENTRY_POINTS}")

        async def scores(backend: PluginBackend) -> list[float]:
            try:
                await backend.start(lambda *_: None)
                call = TextCall(query=QUERY, texts=TEXTS, timeout_seconds=60.0)
                return list((await backend.score(call)).scores)
            finally:
                await backend.close()

        installed = PluginModels(allow=(self.entry_point,), register=PluginRegister())
        got = asyncio.run(scores(installed.load(self.entry_point, lambda *_: None)))
        self._expect_close(got, asyncio.run(scores(self.make_backend())), "by the entry point")

    def test_a_second_life(self) -> None:
        """After `shutdown`, a plugin that is initialized again scores as before: a failed load is retried."""
        plugin = self.make_plugin()

        async def live() -> list[float]:
            backend = PluginBackend(plugin, max_concurrency=self.max_concurrency)
            try:
                await backend.start(lambda *_: None)
                call = TextCall(query=QUERY, texts=TEXTS, timeout_seconds=60.0)
                return list((await backend.score(call)).scores)
            finally:
                await backend.close()

        first = asyncio.run(live())
        self._expect_close(asyncio.run(live()), first, "after shutdown and initialize")
