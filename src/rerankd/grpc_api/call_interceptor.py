"""What every interceptor of the gRPC door is made of: something that happens around each call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, TypeAlias, cast

import grpc
import grpc.aio

# The types of a handler's messages are not known here: an interceptor sees every method.
Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[[Any, Context], Awaitable[Any]]
"""A handler that returns its response or, where it streams, writes its responses to the context."""


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
        inner = behaviour_of(handler)

        async def call(request: Any, context: Context) -> Any:
            async with self.around(method, context):
                return await inner(request, context)

        return handler_like(handler, call)


def behaviour_of(handler: Handler) -> Behaviour:
    """What a handler does."""
    # The stubs of grpcio know only handlers of the synchronous server.
    behaviour: Any = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return cast("Behaviour", behaviour)


def handler_like(handler: Handler, behaviour: Any, parse: Any = None, serialize: Any = None) -> Handler:
    """A handler of the same kind that does something else, and reads and writes messages its own way."""
    make: dict[tuple[bool, bool], Any] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    kind = (bool(handler.request_streaming), bool(handler.response_streaming))
    made: Handler = make[kind](
        behaviour, parse or handler.request_deserializer, serialize or handler.response_serializer
    )
    return made
