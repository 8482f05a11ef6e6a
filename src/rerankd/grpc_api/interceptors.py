"""What surrounds every call: those who look on, then errors, access, draining, replies; and their order."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from rerankd.access import access
from rerankd.core.errors import InvalidRequestError, RerankdError, draining
from rerankd.grpc_api.call_interceptor import CallInterceptor, Context, Handler, behaviour_of, handler_like
from rerankd.grpc_api.errors import status_code, status_from, unexpected
from rerankd.grpc_api.observing import REQUEST_ID_KEY, Counting, Logging, RequestIds, Traces
from rerankd.telemetry import calls
from rerankd.telemetry.call_metrics import GrpcCalls
from rerankd.telemetry.tracing import Tracing

logger = logging.getLogger(__name__)

AUTHORIZATION_KEY = "authorization"


class Errors(CallInterceptor):
    """Turns what a handler raises into a status with details; no cause ever reaches the caller."""

    name = "errors"

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Aborts the call for anything that is raised inside."""
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except RerankdError as error:
            if error.spec.grpc == "INTERNAL":
                logger.error("call failed", exc_info=error, extra={"reason": error.spec.reason})
            await _abort(context, error)
        except Exception as error:
            # The caller went away in the middle of a write: nobody is left to be told.
            if context.cancelled() or context.done():
                raise asyncio.CancelledError from error
            logger.exception("call failed unexpectedly", extra={"method": method})
            await _abort(context, unexpected())

    def _wrap(self, method: str, handler: Handler) -> Handler:
        return super()._wrap(method, _with_tolerant_parser(handler))


class Access(CallInterceptor):
    """Lets in who may call, before anything of the call is looked at."""

    name = "access"

    def __init__(self, access: access.Access) -> None:
        super().__init__()
        self._access = access

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Remembers who calls; fails with UNAUTHENTICATED or FORBIDDEN for those who may not."""
        authorization = dict(context.invocation_metadata() or ()).get(AUTHORIZATION_KEY)
        self._access.enter(
            method,
            authorization if isinstance(authorization, str) else None,
            # Only the server's own probe comes by a socket of the system.
            private=context.peer().startswith("unix"),
        )
        yield


EXEMPT = (
    "/grpc.",
    # They last as long as a training run, which a server that goes down does not wait for.
    "/rerankd.training.v1alpha.TrainingService/Watch",
    "/google.longrunning.Operations/Wait",
)
"""Health, reflection, and what only looks on."""


class Draining(CallInterceptor):
    """Knows which calls are under way, and ends those that outlive the grace."""

    name = "draining"

    def __init__(self, exempt: tuple[str, ...] = EXEMPT) -> None:
        """`exempt` are prefixes of methods that nobody waits for: they are served to the end, and ended."""
        super().__init__()
        self._exempt = exempt
        self._open = asyncio.Event()
        self._open.set()
        self._last_arrival = 0.0
        self._expired: set[asyncio.Task[Any]] = set()
        self._work: set[asyncio.Task[Any]] = set()
        self._watches: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def calls_under_way(self) -> int:
        """Calls that were accepted and have not ended, health and reflection left out."""
        return len(self._work)

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Counts the call, and holds it, or its answer, while calls are held."""
        exempt = method.startswith(self._exempt)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in a task
        tasks = self._watches if exempt else self._work
        tasks.add(task)
        self._last_arrival = time.monotonic()
        self._idle.clear()
        try:
            if not exempt:
                await self._open.wait()
            yield
            if not exempt:
                await self._open.wait()
        except asyncio.CancelledError:
            if task not in self._expired or context.cancelled():
                raise
            task.uncancel()
            raise draining() from None
        finally:
            tasks.discard(task)
            self._expired.discard(task)
            if not self._work:
                self._idle.set()

    def hold(self) -> None:
        """New calls, and calls that have their answer, wait from now on until `release`."""
        self._open.clear()

    async def quiet(self, pause_seconds: float, *, longest_seconds: float) -> None:
        """Returns when no call has arrived for a while, or after the longest time to wait for that."""
        until = time.monotonic() + longest_seconds
        quiet_at = time.monotonic() + pause_seconds
        while (now := time.monotonic()) < min(quiet_at, until):
            await asyncio.sleep(min(quiet_at, until) - now)
            quiet_at = self._last_arrival + pause_seconds

    def release(self) -> None:
        """Lets the calls go on that were held."""
        self._open.set()

    async def finish(self, grace_seconds: float) -> None:
        """Returns when no call is under way; what is left after the grace fails with DRAINING."""
        if self._work:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._idle.wait()
            except TimeoutError:
                logger.warning("grace is over", extra={"calls": len(self._work)})
        # Watches of health would never end by themselves.
        left = self._work | self._watches
        self._expired |= left
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


class Replies(CallInterceptor):
    """Innermost: echoes the request id and sees to it that a cancelled stream ends at once."""

    name = "replies"

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Does nothing: the work is in the wrapping."""
        yield

    def _wrap(self, method: str, handler: Handler) -> Handler:
        inner: Any = behaviour_of(handler)

        # The id goes out with the first reply and not before: a client retries a call only as long
        # as it has seen no initial metadata of it.
        async def reply(request: Any, context: Context) -> Any:
            response = await inner(request, context)
            await _echo_request_id(context)
            return response

        async def write(request: Any, context: Context) -> None:
            await _echo_request_id(context)
            await inner(request, context)

        async def write_each(request: Any, context: Context) -> None:
            echoed = False
            # Left to the garbage collector, the generator would go on for a while after a cancel.
            async with aclosing(inner(request, context)) as responses:
                async for response in responses:
                    if not echoed:
                        await _echo_request_id(context)
                        echoed = True
                    await context.write(response)

        if not handler.response_streaming:
            return handler_like(handler, reply)
        return handler_like(handler, write_each if inspect.isasyncgenfunction(inner) else write)


def chain(
    draining: Draining, decide: access.Access, *, tracing: Tracing, counts: GrpcCalls
) -> tuple[CallInterceptor, ...]:
    """All interceptors, outermost first."""
    looking_on = (Traces(tracing), RequestIds(), Counting(counts), Logging())
    return (*looking_on, Errors(), Access(decide), draining, Replies())


class _Malformed:
    """Stands for bytes that are no message of the method's type."""


def _with_tolerant_parser(handler: Handler) -> Handler:
    """Lets bytes that cannot be parsed fail as any other bad request, not inside grpc as UNKNOWN."""
    parse: Any = handler.request_deserializer
    inner = behaviour_of(handler)

    def tolerant(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return _Malformed()

    async def unary(request: Any, context: Context) -> Any:
        return await inner(_parsed(request), context)

    async def streaming(requests: AsyncIterator[Any], context: Context) -> Any:
        return await inner(_each_parsed(requests), context)

    return handler_like(handler, streaming if handler.request_streaming else unary, tolerant)


def _parsed(message: Any) -> Any:
    if isinstance(message, _Malformed):
        raise InvalidRequestError("the message cannot be parsed; was it made with this service's schema?")
    return message


async def _each_parsed(messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Touches the messages only when the first is asked for: a call that is refused never does."""
    async for message in messages:
        yield _parsed(message)


async def _abort(context: Context, error: RerankdError) -> NoReturn:
    calls.note_reason(error.spec.reason)
    message, trailers = status_from(error)
    await context.abort(status_code(error), message, (*trailers, (REQUEST_ID_KEY, calls.request_id.get())))


async def _echo_request_id(context: Context) -> None:
    await context.send_initial_metadata(((REQUEST_ID_KEY, calls.request_id.get()),))
