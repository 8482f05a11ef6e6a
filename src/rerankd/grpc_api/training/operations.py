"""`google.longrunning.Operations` over training runs, for tools that know no more than that."""

from __future__ import annotations

from typing import Any

import grpc.aio
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2, status_pb2

from rerankd.core.errors import InvalidRequestError, RunNotFoundError
from rerankd.grpc_api.training.paging import page
from rerankd.messages.convert import seconds_from
from rerankd.messages.learning.runs import run_from
from rerankd.training.service import Learning
from rerankd.training.types import RunInfo, RunStatus

Context = grpc.aio.ServicerContext[Any, Any]

PREFIX = "operations/"
_ENDS = {
    RunStatus.CANCELLED: (code_pb2.CANCELLED, "the run was cancelled; it can be resumed"),
    RunStatus.FAILED: (code_pb2.INTERNAL, "the run failed"),
}
_LONGEST_WAIT_SECONDS = 300.0


def operation_from(info: RunInfo) -> operations_pb2.Operation:
    """A run as an operation: done when it has ended, however it did."""
    run = run_from(info)
    operation = operations_pb2.Operation(name=f"{PREFIX}{info.id}")
    operation.metadata.Pack(run)
    if info.status is RunStatus.COMPLETED:
        operation.done = True
        operation.response.Pack(run)
    elif info.status in _ENDS:
        code, words = _ENDS[info.status]
        operation.done = True
        operation.error.CopyFrom(status_pb2.Status(code=code, message=info.error or words))
    return operation


class Operations(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc, unused-ignore]
    """Reads, awaits and cancels runs; who wants to delete one deletes its directory."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning

    async def GetOperation(  # noqa: N802
        self, request: operations_pb2.GetOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        """A run."""
        return operation_from(await self._learning.run(_run_id(request.name)))

    async def ListOperations(  # noqa: N802
        self, request: operations_pb2.ListOperationsRequest, context: Context
    ) -> operations_pb2.ListOperationsResponse:
        """A page of runs."""
        if request.filter:
            raise InvalidRequestError("filter is not supported; use ListTrainingRuns", field="filter")
        infos = await self._learning.runs()
        found, token = page(infos, lambda info: info.id, size=request.page_size, token=request.page_token)
        return operations_pb2.ListOperationsResponse(
            operations=[operation_from(info) for info in found], next_page_token=token
        )

    async def WaitOperation(  # noqa: N802
        self, request: operations_pb2.WaitOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        """A run when it has ended, or after the timeout as it is then."""
        timeout = _LONGEST_WAIT_SECONDS
        if request.HasField("timeout"):
            timeout = min(timeout, max(0.0, seconds_from(request.timeout, "timeout")))
        return operation_from(await self._learning.wait(_run_id(request.name), timeout))

    async def CancelOperation(  # noqa: N802
        self, request: operations_pb2.CancelOperationRequest, context: Context
    ) -> Empty:
        """Ends a run."""
        await self._learning.cancel(_run_id(request.name))
        return Empty()


def _run_id(name: str) -> str:
    if not name.startswith(PREFIX):
        raise RunNotFoundError(
            f"operations here are named {PREFIX}<run id>", metadata={"run": name[:200]}, field="name"
        )
    return name.removeprefix(PREFIX)
