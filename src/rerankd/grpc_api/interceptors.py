"""What surrounds every call, from the outside in: id, log line, errors, access, draining, replies."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, ClassVar, NoReturn, TypeAlias, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from rerankd.access import access
from rerankd.core.errors import InvalidRequestError, RerankdError, draining
from rerankd.grpc_api.errors import status_code, status_from, unexpected
from rerankd.telemetry import calls
from rerankd.telemetry.logs import log_call

logger = logging.getLogger(__name__)

REQUEST_ID_KEY = "x-request-id"
AUTHORIZATION_KEY = "authorization"

# The types of a handler's messages are not known here: an interceptor sees every method.
Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[[Any, Context], Awaitable[Any]]
"""A handler that returns its response or, where it streams, writes its responses to the context."""

_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class CallInterceptor(grpc.aio.ServerInterceptor, ABC):
    """Runs `around` each call, whatever its kind; each handler is wrapped once."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler inside this interceptor; None for a method that does not exist."""
        method = handler_call_details.method
        wrapped = self._handlers.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._handlers[method] = self._wrap(method, handler)
        return wrapped

    @abstractmethod
    def around(self, method: str, context: Context) -> AbstractAsyncContextManager[None]:
        """Entered before the call's handler runs and left after it."""

    def _wrap(self, method: str, handler: Handler) -> Handler:
        inner = _behaviour(handler)

        async def call(request: Any, context: Context) -> Any:
            async with self.around(method, context):
                return await inner(request, context)

        return _handler_like(handler, call)


class RequestIds(CallInterceptor):
    """Gives each call an id, the caller's own where it is usable."""

    name = "request-id"

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Names the call for every log line of its task."""
        offered = dict(context.invocation_metadata() or ()).get(REQUEST_ID_KEY)
        calls.request_id.set(calls.accepted_request_id(offered))
        yield


class Logging(CallInterceptor):
    """Writes one line for each call, when it ends."""

    name = "logging"

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Collects what the line says while the call runs."""
        started = time.monotonic()
        record = calls.CallRecord()
        calls.call_record.set(record)
        code = "UNKNOWN"
        try:
            yield
            code = _CODE_NAMES.get(_number(context.code()), "OK")
        except asyncio.CancelledError:
            remaining = context.time_remaining()
            code = "DEADLINE_EXCEEDED" if remaining is not None and remaining <= 0 else "CANCELLED"
            raise
        except grpc.aio.AbortError:
            code = _CODE_NAMES.get(_number(context.code()), "UNKNOWN")
            raise
        finally:
            log_call(
                method=method,
                code=code,
                peer=context.peer(),
                seconds=time.monotonic() - started,
                record=record,
            )


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
        inner: Any = _behaviour(handler)

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
            return _handler_like(handler, reply)
        return _handler_like(handler, write_each if inspect.isasyncgenfunction(inner) else write)


def chain(draining: Draining, decide: access.Access) -> tuple[CallInterceptor, ...]:
    """All interceptors, outermost first."""
    return (RequestIds(), Logging(), Errors(), Access(decide), draining, Replies())


class _Malformed:
    """Stands for bytes that are no message of the method's type."""


def _with_tolerant_parser(handler: Handler) -> Handler:
    """Lets bytes that cannot be parsed fail as any other bad request, not inside grpc as UNKNOWN."""
    parse: Any = handler.request_deserializer
    inner = _behaviour(handler)

    def tolerant(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return _Malformed()

    async def unary(request: Any, context: Context) -> Any:
        return await inner(_parsed(request), context)

    async def streaming(requests: AsyncIterator[Any], context: Context) -> Any:
        return await inner(_each_parsed(requests), context)

    return _handler_like(handler, streaming if handler.request_streaming else unary, tolerant)


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


def _number(code: object) -> int:
    """grpc.aio gives the code as a number or as an enum member, depending on who set it."""
    return code.value[0] if isinstance(code, grpc.StatusCode) else code if isinstance(code, int) else 0


def _behaviour(handler: Handler) -> Behaviour:
    # The stubs of grpcio know only handlers of the synchronous server.
    behaviour: Any = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return cast("Behaviour", behaviour)


def _handler_like(handler: Handler, behaviour: Any, parse: Any = None) -> Handler:
    make: dict[tuple[bool, bool], Any] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    kind = (bool(handler.request_streaming), bool(handler.response_streaming))
    made: Handler = make[kind](behaviour, parse or handler.request_deserializer, handler.response_serializer)
    return made
