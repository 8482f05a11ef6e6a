"""What a request may expect when time runs out, work fails or the model cannot do what it asks."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Sequence

from rerankd.core.errors import (
    DeadlineExceededError,
    ForbiddenError,
    InvalidRequestError,
    ModelLoadingError,
    ModelNotFoundError,
    RerankdError,
)
from rerankd.core.loaded import DelegatedModel, LoadedModel
from rerankd.core.quota import KeyQuotaError
from rerankd.core.registry import Registry
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.types import Document, LongDocument, Options, Usage

logger = logging.getLogger(__name__)


async def load_before(registry: Registry, name: str, deadline: float) -> LoadedModel:
    """The model, if it is loaded shortly before the deadline.

    Raises:
        ModelLoadingError: It is not, but will be: the caller can come back.
    """
    try:
        async with asyncio.timeout(soft_deadline(deadline) - time.monotonic()):
            return await registry.get(name)
    except TimeoutError as error:
        raise ModelLoadingError(
            "the model is still loading; retry, or wait for its health name to become SERVING",
            metadata={"model": registry.canonical(name)},
            retry_after_seconds=2.0,
        ) from error


def soft_deadline(deadline: float) -> float:
    """When an answer must start on its way to arrive before the deadline."""
    remaining = deadline - time.monotonic()
    return deadline - max(0.02, min(0.1, 0.1 * remaining))


def estimate_tokens(query: str, documents: Sequence[Document], options: Options, max_tokens: int) -> int:
    """What a request will cost, before it is tokenized: three characters a token, as a rule.

    `max_tokens`: longest pair that the model reads; 0 = not known.
    """
    max_tokens = max_tokens or sys.maxsize
    overhead = len(query) // 3 + 4
    texts = (
        len(d.text) if d.fields is None else sum(len(str(v)) for v in d.fields.values()) for d in documents
    )
    if options.long_document is not LongDocument.BEST_PASSAGE:
        return sum(min(max_tokens, overhead + length // 3) for length in texts)
    # Windows overlap by a quarter and each repeats the query.
    room = max(1, min(options.max_tokens_per_document or max_tokens, max_tokens - overhead))
    return sum((overhead + room) * (1 + length // 3 * 4 // (3 * room)) for length in texts)


def spent_tokens(usage: Usage, model: LoadedModel, estimated: int) -> int:
    """What a request cost its caller; not every model elsewhere tells how much it read."""
    untold = isinstance(model, DelegatedModel) and usage.scored_documents and not usage.tokens
    return estimated if untold else usage.tokens


def check_supported(options: Options, model: LoadedModel) -> None:
    """Raises InvalidRequestError for an option that the model cannot honour."""
    description = model.description
    if options.instruction and not description.supports_instruction:
        raise _unsupported("instruction", model, "takes no instruction; leave it empty")
    if options.long_document not in description.long_documents:
        known = ", ".join(mode.name for mode in description.long_documents)
        raise _unsupported("long_document", model, f"can only do {known}")
    if options.max_tokens_per_document and not description.supports_max_tokens:
        raise _unsupported("max_tokens_per_document", model, "cannot be told how much it reads; leave it out")


def check_streamable(model: LoadedModel) -> None:
    """Raises InvalidRequestError for a model that has to see all documents at once."""
    if isinstance(model, DelegatedModel) and not model.backend.traits.comparable:
        raise InvalidRequestError(
            f"model {model.ref.id} scores a document by its neighbours, so it cannot rank a stream; "
            "send the documents in one Rerank call",
            field="options.model",
            metadata={"model": model.ref.id},
        )


def documents_to_score(options: Options, policy: RerankingPolicy, model: LoadedModel) -> int:
    """How many documents of a request are scored at most; 0 = all of them."""
    bounds = (options.max_scored_documents, policy.bound(options, is_cloud=model.description.is_cloud))
    return min(filter(None, bounds), default=0)


def stand_ins(registry: Registry, policy: RerankingPolicy, options: Options) -> list[str]:
    """Ids of the models to try, in order and each once, when the wanted one has failed."""
    tried = [registry.canonical(options.model)]
    for name in policy.stand_ins(options):
        try:
            model_id = registry.canonical(name)
        except ModelNotFoundError as error:
            logger.warning("a stand-in is not offered here", extra={"model": name, "detail": error.message})
            continue
        if model_id not in tried:
            tried.append(model_id)
    return tried[1:]


_FAULTS_OF_CALLER = (
    InvalidRequestError,
    ModelNotFoundError,
    DeadlineExceededError,
    ForbiddenError,
    KeyQuotaError,
)


def is_fault_of_model(error: RerankdError) -> bool:
    """Whether another model, or none, could still answer; what the caller did wrong stays wrong."""
    return not isinstance(error, _FAULTS_OF_CALLER)


NOT_RERANKED = "NONE: the model none leaves documents in their order"
"""`outcome_reason` of the model that ranks nothing."""


def why(error: RerankdError) -> str:
    """How `outcome_reason` tells of an error that was forgiven."""
    return f"{error.spec.reason}: {error.message}"


def stood_in(model_id: str, wanted: str, error: RerankdError) -> str:
    """How `outcome_reason` tells that another model answered."""
    return f"FALLBACK: {model_id} stood in for {wanted}: {why(error)}"


def _unsupported(field: str, model: LoadedModel, what: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"options.{field}: model {model.ref.id} {what}",
        field=f"options.{field}",
        metadata={"model": model.ref.id},
    )
