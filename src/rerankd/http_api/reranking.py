"""The routes that rank: parse, call the engine, render. No ranking logic."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from rerankd.access.access import identity
from rerankd.core.engine import Engine
from rerankd.core.errors import CancelledError, InvalidRequestError, ModelNotFoundError, RerankdError
from rerankd.core.types import Caller, Ranking
from rerankd.http_api.bodies import BODY_SECONDS, check_length, check_media, object_of, read_body
from rerankd.http_api.dialects.dialect import Answered, Asked, Dialect
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.dialects.native_batch import parse_batch, render_batch
from rerankd.http_api.door import peer_host
from rerankd.http_api.failures import unexpected, with_known_names
from rerankd.http_api.json_text import JsonObject
from rerankd.http_api.replies import json_response, send_error, send_ranking
from rerankd.http_api.under_way import CallsUnderWay
from rerankd.telemetry.calls import note_ranking, request_id

logger = logging.getLogger(__name__)

TIMEOUT_HEADER = "x-request-timeout-ms"

_MAX_TIMEOUT_MS = 86_400_000

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranker:
    """What the routes that rank share."""

    engine: Engine
    calls: CallsUnderWay
    names: Callable[[], list[str]]
    """Names of models that an error can offer."""
    accept_any_model: bool = False
    """Whether a name that is not known means the default model, outside of the native dialect."""
    max_body_bytes: int
    body_timeout_seconds: float = BODY_SECONDS
    stream_idle_seconds: float = 0.0
    """Longest pause of a caller within a stream; 0 = as long as they like."""

    def known_model(self, asked: Asked, dialect: Dialect) -> Asked:
        """The same, about a model that this server knows.

        Raises:
            ModelNotFoundError: It does not, and takes such names literally.
        """
        try:
            self.check_model(asked.request.options.model)
        except ModelNotFoundError:
            if dialect.native or not self.accept_any_model:
                raise
            options = replace(asked.request.options, model="")
            warning = "the model is not known here; the default model was used"
            return Asked(request=replace(asked.request, options=options), warnings=(*asked.warnings, warning))
        return asked

    async def body_of(self, scope: Scope, receive: Receive) -> JsonObject:
        """The JSON object that a call brings; raises what `bodies` raises."""
        headers = Headers(scope=scope)
        check_media(headers)
        check_length(headers, self.max_body_bytes)
        return object_of(await read_body(receive, self.max_body_bytes, self.body_timeout_seconds))

    def check_model(self, name: str) -> None:
        """Raises ModelNotFoundError, with the names that are known, for another name."""
        if not name:
            return
        try:
            self.engine.registry.canonical(name)
        except ModelNotFoundError as error:
            raise with_known_names(error, self.names()) from error


class RerankRoute:
    """One path that ranks, as an ASGI application."""

    def __init__(self, ranker: Ranker, dialect: Dialect) -> None:
        self._ranker = ranker
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call, whatever happens."""
        dialect = self._dialect
        try:
            caller = caller_of(scope)
            async with self._ranker.calls.entered():
                body = await self._ranker.body_of(scope, receive)
                dialect = dialect.choose(body) if dialect.choose else dialect
                asked = dialect.parse(body, self._ranker.engine.limits)
                asked = self._ranker.known_model(asked, dialect)
                ranking = await self._rank(asked, caller, receive)
                answered = Answered(asked=asked, ranking=ranking, request_id=request_id.get())
                await send_ranking(dialect, answered, scope, receive, send)
        except RerankdError as error:
            tell(error)
            await send_error(dialect, error, scope, receive, send)
        except Exception:
            logger.exception("call failed unexpectedly", extra={"method": scope["path"]})
            await send_error(dialect, unexpected(), scope, receive, send)

    async def _rank(self, asked: Asked, caller: Caller, receive: Receive) -> Ranking:
        return await while_connected(receive, self._ranker.engine.rerank(asked.request, caller))


class BatchRoute:
    """The path that ranks several requests, as an ASGI application."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call; a request of it that fails has its error in its own result."""
        try:
            caller = caller_of(scope)
            async with self._ranker.calls.entered():
                body = await self._ranker.body_of(scope, receive)
                items = parse_batch(body, self._ranker.engine.limits)
                outcomes = await while_connected(receive, self._ranker.engine.rerank_batch(items, caller))
                for outcome in outcomes:
                    if isinstance(outcome, Ranking):
                        note_ranking(outcome)
                await json_response(render_batch(outcomes))(scope, receive, send)
        except RerankdError as error:
            tell(error)
            await send_error(NATIVE, error, scope, receive, send)
        except Exception:
            logger.exception("call failed unexpectedly", extra={"method": scope["path"]})
            await send_error(NATIVE, unexpected(), scope, receive, send)


def tell(error: RerankdError) -> None:
    """Logs the cause of what is the server's own fault; the caller never sees it."""
    if error.spec.grpc == "INTERNAL":
        logger.error("call failed", exc_info=error, extra={"reason": error.spec.reason})


def caller_of(scope: Scope) -> Caller:
    """Who asks, and until when they wait.

    Raises:
        InvalidRequestError: The header that says how long is not a number of milliseconds.
    """
    wanted = Headers(scope=scope).get(TIMEOUT_HEADER)
    if wanted is None:
        return identity.get().caller(peer_host(scope), None)
    if not (wanted.isascii() and wanted.isdigit() and 0 < int(wanted[:12]) <= _MAX_TIMEOUT_MS):
        raise InvalidRequestError(
            f"{TIMEOUT_HEADER} must be a whole number of milliseconds from 1 to {_MAX_TIMEOUT_MS}",
            field=TIMEOUT_HEADER,
        )
    return identity.get().caller(peer_host(scope), time.monotonic() + int(wanted) / 1000)


async def while_connected(receive: Receive, work: Coroutine[Any, Any, AnswerT]) -> AnswerT:
    """What `work` gives; a caller who goes away cancels it.

    The body has to be read before: from then on the only thing to receive is the end.

    Raises:
        CancelledError: The caller went away.
    """
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise CancelledError("the caller went away")
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def disconnected(receive: Receive) -> None:
    """Returns when the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass
