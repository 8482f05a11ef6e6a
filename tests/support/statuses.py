"""What a client sees of a failed call."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable
from dataclasses import dataclass

import grpc.aio
import pytest
from google.rpc import error_details_pb2 as details_pb
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A status with its details, unpacked."""

    code: str
    message: str
    info: details_pb.ErrorInfo
    bad_request: details_pb.BadRequest | None
    resource: details_pb.ResourceInfo | None
    quota: details_pb.QuotaFailure | None
    retry: details_pb.RetryInfo | None
    trailers: dict[str, str | bytes]

    @property
    def reason(self) -> str:
        return self.info.reason

    @property
    def field(self) -> str:
        return self.bad_request.field_violations[0].field if self.bad_request else ""


async def failure_of(call: Awaitable[object] | AsyncIterable[object]) -> Failure:
    """How a call fails; asserts that it does, and that it is told in the way of all errors."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _ended(call)
    return read_failure(caught.value)


async def _ended(call: Awaitable[object] | AsyncIterable[object]) -> None:
    if isinstance(call, AsyncIterable):
        async for _ in call:
            pass
    else:
        await call


def read_failure(error: grpc.aio.AioRpcError) -> Failure:
    """The details of a status; asserts what holds for every error of the service."""
    trailers = dict(error.trailing_metadata() or ())
    # Raises if code or message differ between the status and its details.
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error.code()} {error.details()}"
    found: dict[type, object] = {}
    for packed in status.details:
        for kind in (
            details_pb.ErrorInfo,
            details_pb.BadRequest,
            details_pb.ResourceInfo,
            details_pb.QuotaFailure,
            details_pb.RetryInfo,
        ):
            if packed.Is(kind.DESCRIPTOR):
                assert kind not in found, "at most one of each detail"
                message = kind()
                packed.Unpack(message)
                found[kind] = message
    info = found[details_pb.ErrorInfo]
    assert isinstance(info, details_pb.ErrorInfo)
    assert info.domain == "rerankd"
    assert status.ByteSize() <= 1024
    assert "Traceback" not in status.message
    assert ".py" not in status.message
    return Failure(
        code=error.code().name,
        message=status.message,
        info=info,
        bad_request=found.get(details_pb.BadRequest),  # type: ignore[arg-type]
        resource=found.get(details_pb.ResourceInfo),  # type: ignore[arg-type]
        quota=found.get(details_pb.QuotaFailure),  # type: ignore[arg-type]
        retry=found.get(details_pb.RetryInfo),  # type: ignore[arg-type]
        trailers=trailers,
    )
