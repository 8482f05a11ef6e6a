"""A plugin as a model."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from rerankd.backends.base import (
    BackendDescription,
    ProgressReporter,
    TextBackendTraits,
    TextCall,
    TextScores,
)
from rerankd.backends.plugin.protocol import Plugin, PluginIdentity, hook, identify, is_listwise
from rerankd.backends.plugin.scores import NoScoresError, read_scores
from rerankd.backends.plugin.threads import PluginRaisedError, PluginThreads
from rerankd.core.errors import BackendFailedError, ModelFailedError, RerankdError
from rerankd.core.types import LongDocument, WarmupStage

logger = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 10.0
"""How long `shutdown` may hold up the end of the server."""


class PluginBackend:
    """A `TextBackend` that has its texts scored by a plugin.

    Attributes:
        description: What it is.
        traits: How it wants its work.
    """

    def __init__(
        self, plugin: Plugin, *, identity: PluginIdentity | None = None, max_concurrency: int = 4
    ) -> None:
        """`identity`: what the model is called, if not as the plugin says itself."""
        identity = identity or identify(plugin)
        self.description = BackendDescription(
            id=identity.name,
            revision=identity.version,
            backend="plugin",
            long_documents=(LongDocument.TRUNCATE_END,),
            supports_max_tokens=False,
        )
        self.traits = TextBackendTraits(max_concurrency=max_concurrency, comparable=not is_listwise(plugin))
        self._plugin = plugin
        self._threads = PluginThreads(identity.name, workers=max_concurrency)
        self._is_initialized = False

    async def start(self, report: ProgressReporter) -> None:
        """Has the plugin initialize itself.

        Raises:
            ModelFailedError: It raised; the cause goes along.
        """
        report(WarmupStage.SESSION, 0.0, "the plugin initializes itself")
        initialize = hook(self._plugin, "initialize")
        if initialize is not None:
            try:
                await self._threads.run(initialize)
            except RerankdError:
                raise
            except Exception as error:
                raise ModelFailedError(
                    f"the plugin could not initialize itself ({type(error).__name__}); the operator's log "
                    "has the cause",
                    metadata={"model": self.description.id},
                ) from error
        self._is_initialized = True
        report(WarmupStage.SESSION, 1.0, "the plugin is ready")

    async def score(self, call: TextCall) -> TextScores:
        """The plugin's scores as they are.

        Raises:
            RerankdError: What the plugin raised of that kind.
            BackendFailedError: It raised anything else, or did not give one number for each text.
        """
        # A list of its own: the plugin may do with it what it likes.
        documents = list(call.texts)
        try:
            answer = await self._threads.run(self._rerank(call.query, documents))
        except RerankdError:
            raise
        except NoScoresError as error:
            raise self._failed(str(error)) from error
        except PluginRaisedError as error:
            raise self._failed(f"the plugin raised {error}") from error
        except Exception as error:
            raise self._failed(f"the plugin raised {type(error).__name__}") from error
        scores = cast("Sequence[float]", answer)
        if len(scores) != len(call.texts):
            raise self._failed(f"the plugin gave {len(scores)} scores for {len(call.texts)} documents")
        return TextScores(scores=scores)

    async def close(self) -> None:
        """Has the plugin shut itself down, if it was initialized. What it raises is logged."""
        shutdown = hook(self._plugin, "shutdown")
        if self._is_initialized and shutdown is not None:
            self._is_initialized = False
            await self._threads.wait_idle()
            try:
                async with asyncio.timeout(_SHUTDOWN_SECONDS):
                    await self._threads.run(shutdown)
            except Exception:
                logger.exception("plugin failed to shut down", extra={"model": self.description.id})
        await self._threads.stop()

    def _rerank(self, query: str, documents: list[str]) -> Callable[[], list[float] | Awaitable[list[float]]]:
        """The call, with its answer read where it was made: some arrays wait for a device."""
        rerank = self._plugin.rerank

        async def read(answer: Awaitable[object]) -> list[float]:
            return read_scores(await answer)

        async def call() -> list[float]:
            return read_scores(await cast("Awaitable[object]", rerank(query, documents)))

        def call_blocking() -> list[float] | Awaitable[list[float]]:
            answer = rerank(query, documents)
            return read(answer) if isinstance(answer, Awaitable) else read_scores(answer)

        return call if inspect.iscoroutinefunction(rerank) else call_blocking

    def _failed(self, what: str) -> BackendFailedError:
        return BackendFailedError(
            f"{what}; the operator's log has the cause", metadata={"model": self.description.id}
        )
