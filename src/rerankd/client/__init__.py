"""Client of a rerankd server.

    from rerankd.client import Client

    with Client("localhost:50051") as client:
        response = client.rerank("what causes high blood pressure", ["Too much salt ...", "A pump ..."])
        for result in response.results:
            print(result.rank, result.score, result.index)

`AsyncClient` has the same methods for asyncio. Both need only the base install, `pip install rerankd`.
Messages such as `RerankResponse` are those of the package `rerankd.v1`.
"""

from __future__ import annotations

from rerankd.client._aio import AsyncClient
from rerankd.client._aio_stream import AsyncRerankStream
from rerankd.client._client import Client
from rerankd.client._errors import (
    BackendFailedError,
    CancelledError,
    CorpusNotFoundError,
    DeadlineExceededError,
    DocumentTooLongError,
    DrainingError,
    FieldViolation,
    ForbiddenError,
    InternalError,
    InvalidRequestError,
    MessageTooLargeError,
    ModelChangedError,
    ModelFailedError,
    ModelLoadingError,
    ModelNotFoundError,
    NonFiniteScoreError,
    NotComparableError,
    OverloadedError,
    PromotionRefusedError,
    ProviderUnavailableError,
    QuotaExceededError,
    RerankdError,
    RunActiveError,
    RunNotFoundError,
    StreamProtocolError,
    TooFewTripletsError,
    TooManyDocumentsError,
    UnauthenticatedError,
    UnavailableError,
)
from rerankd.client._feedback import clicked, rated, shown
from rerankd.client._options import ClientOptions, TLSConfig
from rerankd.client._requests import (
    DeadlineMode,
    DocumentLike,
    Emit,
    FailureMode,
    LongDocument,
    Priority,
    RerankKeywords,
    rerank_request,
)
from rerankd.client._stream import RerankStream
from rerankd.v1.rerank_service_pb2 import (
    Document,
    ModelStatus,
    RerankBatchResponse,
    RerankRequest,
    RerankResponse,
    RerankResult,
    ScoreChunk,
    Snapshot,
    StatusResponse,
    WarmupResponse,
)

__all__ = [
    "AsyncClient",
    "AsyncRerankStream",
    "BackendFailedError",
    "CancelledError",
    "Client",
    "ClientOptions",
    "CorpusNotFoundError",
    "DeadlineExceededError",
    "DeadlineMode",
    "Document",
    "DocumentLike",
    "DocumentTooLongError",
    "DrainingError",
    "Emit",
    "FailureMode",
    "FieldViolation",
    "ForbiddenError",
    "InternalError",
    "InvalidRequestError",
    "LongDocument",
    "MessageTooLargeError",
    "ModelChangedError",
    "ModelFailedError",
    "ModelLoadingError",
    "ModelNotFoundError",
    "ModelStatus",
    "NonFiniteScoreError",
    "NotComparableError",
    "OverloadedError",
    "Priority",
    "PromotionRefusedError",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "RerankBatchResponse",
    "RerankKeywords",
    "RerankRequest",
    "RerankResponse",
    "RerankResult",
    "RerankStream",
    "RerankdError",
    "RunActiveError",
    "RunNotFoundError",
    "ScoreChunk",
    "Snapshot",
    "StatusResponse",
    "StreamProtocolError",
    "TLSConfig",
    "TooFewTripletsError",
    "TooManyDocumentsError",
    "UnauthenticatedError",
    "UnavailableError",
    "WarmupResponse",
    "clicked",
    "rated",
    "rerank_request",
    "shown",
]
