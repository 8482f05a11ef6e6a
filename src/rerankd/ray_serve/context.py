"""A call of Serve's gRPC proxy, as our handlers and interceptors know calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import grpc
import grpc.aio

if TYPE_CHECKING:
    from ray.serve.grpc_util import RayServegRPCContext

Metadata = Sequence[tuple[str, str | bytes]]


class ServeContext:
    """What is used of `grpc.aio.ServicerContext`, on top of Serve's context.

    That one travels to the proxy with each message of the answer, and takes code, details and trailers
    along; so an error needs a message to travel with, which clients do not look at.
    """

    def __init__(self, context: RayServegRPCContext) -> None:
        self._context = context

    def invocation_metadata(self) -> Metadata:
        """What the client sent."""
        sent: Metadata = self._context.invocation_metadata()
        return sent

    def peer(self) -> str:
        """Address of the client."""
        return str(self._context.peer())

    def time_remaining(self) -> float | None:
        """Serve does not tell a call's deadline: its proxy cancels the call when that passes."""
        return None

    def code(self) -> object:
        """The status so far."""
        return self._context.code()

    def cancelled(self) -> bool:
        """A cancelled call is a cancelled task here, and not asked about."""
        return False

    def done(self) -> bool:
        """As `cancelled`."""
        return False

    def set_trailing_metadata(self, trailers: Metadata) -> None:
        """Sends these after the last message."""
        self._context.set_trailing_metadata(list(trailers))

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Serve's proxy has no way to send any."""

    async def abort(self, code: grpc.StatusCode, details: str = "", trailers: Metadata = ()) -> NoReturn:
        """Ends the call with a status; the error is raised for whoever wraps the handler."""
        self._context.set_code(code)
        self._context.set_details(details)
        self.set_trailing_metadata(trailers)
        raise grpc.aio.AbortError
