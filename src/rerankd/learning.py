"""The learning reranker in the life of a server: there if `training.enabled` says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rerankd.assembly import StartupError, build_learning
from rerankd.config import Config
from rerankd.core.engine import Engine
from rerankd.core.errors import RerankdError
from rerankd.core.shown import ShownLog
from rerankd.grpc_api.server import Extension
from rerankd.reconfiguration.reconfiguration import Reconfiguration

if TYPE_CHECKING:
    from starlette.routing import Route

    from rerankd.http_api.json_text import Json
    from rerankd.training.service import Learning


class ServedLearning:
    """Gives the doors what they serve of the learning reranker: nothing where it is turned off."""

    def __init__(self, config: Config, engine: Engine, reconfiguration: Reconfiguration) -> None:
        """Opens nothing yet.

        Raises:
            StartupError: It is turned on, and the extra `train` is not installed.
        """
        self._engine = engine
        self._reconfiguration = reconfiguration
        self._learning: Learning | None = build_learning(config, engine) if config.training.enabled else None

    @property
    def shown(self) -> ShownLog | None:
        """Keeps rankings that are served."""
        return self._learning.shown if self._learning is not None else None

    async def start(self) -> None:
        """Takes the feedback log.

        Raises:
            StartupError: Another process has it, or the directory cannot be written.
        """
        if self._learning is None:
            return
        try:
            await self._learning.start()
        except RerankdError as error:
            raise StartupError(f"training.directory: {error.message}") from error
        except OSError as error:
            raise StartupError(f"training.directory: {error}") from error

    async def close(self) -> None:
        """Lets runs checkpoint and end."""
        if self._learning is not None:
            await self._learning.close()

    def extensions(self) -> Sequence[Extension]:
        """What it adds to the gRPC door."""
        if (learning := self._learning) is None:
            return ()
        from rerankd.grpc_api.training import add_training

        return (lambda server: add_training(server, learning),)

    def http_routes(self) -> Sequence[Route]:
        """What it adds to the HTTP door."""
        if self._learning is None:
            return ()
        from rerankd.http_api.learning.calls import Desk
        from rerankd.http_api.learning.routes import learning_routes

        return learning_routes(
            Desk(
                learning=self._learning,
                engine=self._engine,
                mode=lambda: self._reconfiguration.current().section.mode,
            )
        )

    def http_paths(self) -> Mapping[str, Json]:
        """What the OpenAPI document says of that."""
        if self._learning is None:
            return {}
        from rerankd.http_api.openapi.learning import learning_paths

        return learning_paths()
