from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions

import rerankd.client

EXPORTS = {
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
}


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(rerankd.client.__all__) == EXPORTS
    assert all(hasattr(rerankd.client, name) for name in EXPORTS)


def test_the_client_needs_only_the_base_install() -> None:
    base = {"google", "grpc", "grpc_status", "rerankd", "typing_extensions"}
    installed = set(packages_distributions())
    # Packages that are None in sys.modules cannot be imported, as if they were not installed.
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(sys.argv[1:]))\n"
        "from rerankd.client import Client\n"
        "Client('localhost:1').close()"
    )
    subprocess.run([sys.executable, "-c", script, *sorted(installed - base)], check=True)
