"""The interceptors that look on: traces, request ids, counts and log lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from rerankd.grpc_api.call_interceptor import CallInterceptor, Context, Handler, behaviour_of, handler_like
from rerankd.telemetry import calls
from rerankd.telemetry.call_metrics import GrpcCalls
from rerankd.telemetry.logs import log_call
from rerankd.telemetry.trace_context import TRACEPARENT
from rerankd.telemetry.tracing import Tracing, result_attributes

REQUEST_ID_KEY = "x-request-id"

_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class Traces(CallInterceptor):
    """Makes each call a part of its caller's trace."""

    name = "tracing"

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Begins the call's span and ends it with what is known of the call by then."""
        name = method.removeprefix("/")
        attributes = {"rpc.system.name": "grpc", "rpc.method": name, "client.address": context.peer()}
        span = self._tracing.begin(name, _carrier(context), attributes)
        calls.trace_id.set(span.trace_id)

        def end(code: str) -> None:
            record = calls.call_record.get() or calls.CallRecord()
            told = result_attributes(record, calls.request_id.get())
            error = "" if code in ("OK", "CANCELLED") else record.reason or code
            span.end({**told, "rpc.response.status_code": code}, error=error)

        async with _ending(context, end):
            yield


class Counting(CallInterceptor):
    """Counts calls and their messages."""

    name = "metrics"

    def __init__(self, counts: GrpcCalls) -> None:
        super().__init__()
        self._counts = counts

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Counts the call when it begins and when it ends."""
        started = time.monotonic()
        self._counts.started(method)

        def end(code: str) -> None:
            record = calls.call_record.get() or calls.CallRecord()
            self._counts.handled(method, code, time.monotonic() - started, record)

        async with _ending(context, end):
            yield

    def _wrap(self, method: str, handler: Handler) -> Handler:
        wrapped = super()._wrap(method, handler)
        parse: Any = handler.request_deserializer
        serialize: Any = handler.response_serializer

        # Each message of each kind of call passes here, on its way in and on its way out.
        def received(data: bytes) -> Any:
            self._counts.received(method)
            return parse(data)

        def sent(message: Any) -> bytes:
            self._counts.sent(method)
            data: bytes = serialize(message)
            return data

        return handler_like(wrapped, behaviour_of(wrapped), received, sent)


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

        def end(code: str) -> None:
            log_call(
                method=method,
                code=code,
                peer=context.peer(),
                seconds=time.monotonic() - started,
                record=record,
            )

        async with _ending(context, end):
            yield


@asynccontextmanager
async def _ending(context: Context, end: Callable[[str], None]) -> AsyncIterator[None]:
    """Tells the status code of what happens inside, when it has happened."""
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
        end(code)


def _carrier(context: Context) -> dict[str, str]:
    """The metadata that says which trace a call belongs to."""
    wanted = (TRACEPARENT, "tracestate")
    metadata = context.invocation_metadata() or ()
    return {key: value for key, value in metadata if key in wanted and isinstance(value, str)}


def _number(code: object) -> int:
    """grpc.aio gives the code as a number or as an enum member, depending on who set it."""
    return code.value[0] if isinstance(code, grpc.StatusCode) else code if isinstance(code, int) else 0
