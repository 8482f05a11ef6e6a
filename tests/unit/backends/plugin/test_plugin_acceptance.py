"""The acceptance suite over every kind of plugin."""

from __future__ import annotations

import asyncio

import pytest
from support.plugins import Answering, AsyncPlugin, BlockingPlugin, plugin_score

from rerankd.backends.plugin import Plugin
from rerankd.backends.testing import PluginAcceptance


class TestAsyncPlugin(PluginAcceptance):
    def make_plugin(self) -> Plugin:
        return AsyncPlugin()


class TestBlockingPlugin(PluginAcceptance):
    tolerance = 1e-4

    def make_plugin(self) -> Plugin:
        return BlockingPlugin()


class _AsyncLifePlugin(BlockingPlugin):
    """Begins and ends with coroutines, but scores in a blocking way."""

    async def initialize(self) -> None:
        await asyncio.sleep(0)
        self.ready = True

    async def shutdown(self) -> None:
        del self.ready


class TestPluginWithAsyncLife(PluginAcceptance):
    def make_plugin(self) -> Plugin:
        return _AsyncLifePlugin()


class TestSuiteFindsWhatIsWrong:
    """Each check of the suite fails for a plugin that does what the check is about."""

    @pytest.mark.parametrize(
        ("check", "answer", "wrong"),
        [
            (
                "scores_are_in_the_order_of_the_texts",
                lambda q, d: sorted(plugin_score(q, t) for t in d),
                "order",
            ),
            ("scores_are_in_the_order_of_the_texts", lambda q, d: [0.5] * len(d), "the same score"),
            ("neighbours_do_not_matter", lambda q, d: [len(t) / sum(map(len, d)) for t in d], "alone"),
            ("awkward_texts_are_scored", lambda q, d: [1 / len(t) for t in d], "ZeroDivisionError"),
            ("awkward_texts_are_scored", lambda q, d: [float("nan") for _ in d], "not finite"),
            ("many_texts_are_scored_in_one_call", lambda q, d: [1.0] * min(len(d), 100), "100 scores for"),
        ],
    )
    def test_of_scores(self, check: str, answer: object, wrong: str) -> None:
        suite = PluginAcceptance()
        suite.make_plugin = lambda: Answering(answer)  # type: ignore[method-assign, arg-type]
        with pytest.raises(Exception, match=wrong):
            getattr(suite, f"test_{check}")()

    def test_of_calls_at_once(self) -> None:
        calls = PluginAcceptance.max_concurrency

        class Mixing:
            """Remembers the documents of the last call only; calls at once wait for each other."""

            def __init__(self) -> None:
                self.calls, self.all_here = 0, asyncio.Event()

            def name(self) -> str:
                return "mixing"

            async def rerank(self, query: str, documents: list[str]) -> list[float]:
                self.documents = documents
                self.calls += 1
                # The suite first asks for each set alone.
                if self.calls == 2 * calls:
                    self.all_here.set()
                if self.calls > calls:
                    await self.all_here.wait()
                return [plugin_score(query, text) for text in self.documents]

        suite = PluginAcceptance()
        suite.make_plugin = Mixing  # type: ignore[method-assign]
        with pytest.raises(Exception, match=r"scores for|beside other calls"):
            suite.test_calls_at_once_do_not_mix()

    def test_of_a_missing_entry_point(self) -> None:
        suite = PluginAcceptance()
        suite.entry_point = "nobody-has-this"
        with pytest.raises(AssertionError, match="no entry point 'nobody-has-this'"):
            suite.test_its_entry_point_gives_it()

    def test_of_a_plugin_that_cannot_be_initialized_twice(self) -> None:
        class Once(AsyncPlugin):
            def initialize(self) -> None:
                assert not self.events, "initialized before"
                super().initialize()

        once = Once()
        suite = PluginAcceptance()
        suite.make_plugin = lambda: once  # type: ignore[method-assign]
        with pytest.raises(Exception, match="could not initialize itself"):
            suite.test_a_second_life()
