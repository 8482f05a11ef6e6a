"""Reading the server's side of an aio stream to its true end.

grpc.aio overwrites a call's status with an INTERNAL of its own when a write fails because the server
has already ended the call (https://github.com/grpc/grpc/issues/36066), before or after the server's
status comes. Servers end streams early for every reason that a stream can fail for, so the status is
noted here each time that it is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import grpc

from rerankd.client._errors import from_rpc_error
from rerankd.v1 import rerank_service_pb2 as pb

T = TypeVar("T")
Call = grpc.aio.StreamStreamCall[pb.RerankStreamRequest, pb.RerankStreamResponse]

_OVERWRITTEN = "Internal error from Core"

# The server's status is on its way when a write fails, except where gRPC refused the write itself.
_LONGEST_WAIT_SECONDS = 1.0


class Responses:
    """The messages of a call that has just begun."""

    def __init__(self, call: Call) -> None:
        self._ended: asyncio.Future[grpc.aio.AioRpcError] = asyncio.get_running_loop().create_future()
        call.add_done_callback(self._note_status)
        # `call.read()` would drop the messages that came before a status which is set already.
        self._messages: AsyncIterator[pb.RerankStreamResponse] = aiter(call)

    async def next(self) -> pb.RerankStreamResponse | None:
        """The next message; None at the end. Raises a `RerankdError` if the server failed the call."""
        try:
            return await anext(self._messages, None)
        except grpc.aio.AioRpcError as error:
            said = await self._said_by_server(error)
            if said.code() is grpc.StatusCode.OK:
                return None
            raise from_rpc_error(said) from error

    async def _said_by_server(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        if not _is_overwritten(error):
            return error
        done, _ = await asyncio.wait([self._ended], timeout=_LONGEST_WAIT_SECONDS)
        return self._ended.result() if done else error

    def _note_status(self, call: Call) -> None:
        status = grpc.aio.AioRpcError(
            _at_once(call.code()),
            grpc.aio.Metadata(),
            _at_once(call.trailing_metadata()) or grpc.aio.Metadata(),
            _at_once(call.details()),
        )
        if not self._ended.done() and not _is_overwritten(status):
            self._ended.set_result(status)


def _is_overwritten(status: grpc.aio.AioRpcError) -> bool:
    return status.code() is grpc.StatusCode.INTERNAL and status.details() == _OVERWRITTEN


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for: a status that is set can be read."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("the call has no status yet")
