"""One real call through the server's own port, so that the first user meets a warm path."""

from __future__ import annotations

import asyncio
import time

import grpc
import grpc.aio

from rerankd.core.errors import BackendFailedError
from rerankd.grpc_api.server import bracketed
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

# Another one each time, so that no score is known already and the model itself runs.
_QUERY = "Is the server ready at {time}?"
_DOCUMENTS = ("The server is ready.", "A document about something else entirely.")


class GrpcProbe:
    """Calls Rerank as a client would: socket, interceptors, conversion and all."""

    def __init__(self, token: str = "") -> None:
        """`token`: what lets it in; empty = everybody is let in."""
        self._target = ""
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._listening = asyncio.Event()

    def aim(self, host: str, port: int) -> None:
        """Tells where the server listens, once it does; probes wait for that."""
        self.aim_at(f"{bracketed(_loopback(host))}:{port}")

    def aim_at(self, target: str) -> None:
        """Tells where the server listens for probes only."""
        self._target = target
        self._listening.set()

    async def __call__(self, model_id: str) -> None:
        """Ranks two short documents.

        Raises:
            BackendFailedError: The call failed, or its answer is not one.
        """
        await self._listening.wait()
        request = pb.RerankRequest(
            query=_QUERY.format(time=time.time_ns()),
            documents=[pb.Document(text=text) for text in _DOCUMENTS],
            # No other model may answer for the one that is probed.
            options=pb.RerankOptions(model=model_id, on_failure=pb.FAILURE_MODE_FAIL),
        )
        # A proxy of the environment is for the world outside.
        options = (("grpc.enable_http_proxy", 0),)
        async with grpc.aio.insecure_channel(self._target, options=options) as channel:
            try:
                response = await RerankServiceStub(channel).Rerank(request, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                raise BackendFailedError(
                    f"the probe through the server's own port failed with {error.code().name}",
                    metadata={"model": model_id, "code": error.code().name},
                ) from error
        if len(response.results) != len(_DOCUMENTS):
            raise BackendFailedError("the probe got an incomplete answer", metadata={"model": model_id})


def _loopback(host: str) -> str:
    """The host to reach a server at that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
