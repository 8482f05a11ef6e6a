from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from rerankd import client
from rerankd.client._errors import error_class_of, from_rpc_error, typed_errors
from rerankd.core.errors import ERROR_CLASSES, ErrorSpec
from rerankd.v1.error_reason_pb2 import ErrorReason

DETAILS_KEY = "grpc-status-details-bin"
SPECS = [error_class.spec for error_class in ERROR_CLASSES]


class FailedCall(grpc.RpcError, grpc.Call):
    """What the synchronous stack raises."""

    def __init__(self, code: grpc.StatusCode, details: str | None, trailers: list[tuple[str, bytes]]) -> None:
        self._code, self._details, self._trailers = code, details, trailers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details

    def trailing_metadata(self) -> list[tuple[str, bytes]]:
        return self._trailers

    initial_metadata = is_active = time_remaining = cancel = add_callback = None


def failed(code: grpc.StatusCode, message: str | None, *details: object) -> list[grpc.RpcError]:
    """The same failure as both stacks raise it."""
    trailers: list[tuple[str, bytes]] = []
    if details:
        status = status_pb2.Status(code=code.value[0], message=message)
        for detail in details:
            status.details.add().Pack(detail)
        trailers = [(DETAILS_KEY, status.SerializeToString())]
    aio = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), message)
    return [FailedCall(code, message, trailers), aio]


def info(reason: str, domain: str = "rerankd") -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata={"limit": "7"})


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.reason)
def test_every_reason_of_the_server_has_its_class(spec: ErrorSpec) -> None:
    for error in failed(grpc.StatusCode[spec.grpc], "what happened", info(spec.reason)):
        typed = from_rpc_error(error)
        assert type(typed) is error_class_of(spec.reason)
        assert type(typed) is not client.RerankdError
        assert (typed.reason, typed.code.name, typed.message) == (spec.reason, spec.grpc, "what happened")
        assert typed.metadata == {"limit": "7"}
        assert str(typed) == "what happened"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.reason)
def test_an_error_raised_here_looks_like_one_from_the_server(spec: ErrorSpec) -> None:
    error = error_class_of(spec.reason)("what happened")
    assert (error.reason, error.code.name) == (spec.reason, spec.grpc)


def test_every_reason_of_the_contract_has_a_class() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name, _ in ErrorReason.items()} - {"UNSPECIFIED"}
    assert names == {spec.reason for spec in SPECS}


def test_violations_and_delays_are_read() -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="documents[17].text", description="too long")
    delay = error_details_pb2.RetryInfo()
    delay.retry_delay.FromMilliseconds(1500)
    for error in failed(grpc.StatusCode.INVALID_ARGUMENT, "no", info("INVALID_REQUEST"), bad, delay):
        typed = from_rpc_error(error)
        assert typed.field_violations == (
            client.FieldViolation(field="documents[17].text", description="too long"),
        )
        assert typed.retry_after_seconds == 1.5


def test_an_unknown_reason_is_kept_in_the_base_class() -> None:
    for error in failed(grpc.StatusCode.ABORTED, "new", info("LATER_REASON")):
        typed = from_rpc_error(error)
        assert type(typed) is client.RerankdError
        assert (typed.reason, typed.code) == ("LATER_REASON", grpc.StatusCode.ABORTED)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, "connection refused", client.UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", client.DeadlineExceededError),
        (grpc.StatusCode.CANCELLED, "Cancelled", client.CancelledError),
        (grpc.StatusCode.UNAUTHENTICATED, "no key", client.UnauthenticatedError),
        (grpc.StatusCode.PERMISSION_DENIED, "no", client.ForbiddenError),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVER: Received message larger than max (20000013 vs. 16777216)",
            client.MessageTooLargeError,
        ),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", client.RerankdError),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", client.RerankdError),
        (grpc.StatusCode.UNKNOWN, None, client.RerankdError),
    ],
)
def test_failures_without_details_go_by_code(
    code: grpc.StatusCode, message: str | None, expected: type[client.RerankdError]
) -> None:
    for error in failed(code, message):
        typed = from_rpc_error(error)
        assert type(typed) is expected
        assert typed.code is code
        assert typed.message == (message or code.name)


def test_details_of_another_domain_do_not_count() -> None:
    for error in failed(grpc.StatusCode.UNAVAILABLE, "x", info("OVERLOADED", domain="proxy.example")):
        assert type(from_rpc_error(error)) is client.UnavailableError


def test_details_that_contradict_the_call_do_not_count() -> None:
    for error in failed(grpc.StatusCode.UNAVAILABLE, "x", info("OVERLOADED")):
        if isinstance(error, FailedCall):
            error._code = grpc.StatusCode.INTERNAL
            assert type(from_rpc_error(error)) is client.RerankdError


def test_whoever_can_retry_catches_one_class() -> None:
    for reason in ("MODEL_LOADING", "OVERLOADED", "DRAINING"):
        assert issubclass(error_class_of(reason), client.UnavailableError)
    for reason in ("TOO_MANY_DOCUMENTS", "DOCUMENT_TOO_LONG", "STREAM_PROTOCOL"):
        assert issubclass(error_class_of(reason), client.InvalidRequestError)


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(KeyError), typed_errors():
        raise KeyError("mine")


def test_the_original_error_is_the_cause() -> None:
    error = failed(grpc.StatusCode.UNAVAILABLE, "x")[0]
    with pytest.raises(client.UnavailableError) as caught, typed_errors():
        raise error
    assert caught.value.__cause__ is error
