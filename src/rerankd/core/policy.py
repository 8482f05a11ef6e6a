"""What a request may expect when time runs out, work fails or the model cannot do what it asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from rerankd.core.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    ModelLoadingError,
    ModelNotFoundError,
    RerankdError,
)
from rerankd.core.registry import LoadedModel, Registry
from rerankd.core.types import Document, FailureMode, LongDocument, Options


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
    """What a request will cost, before it is tokenized: three characters a token, as a rule."""
    overhead = len(query) // 3 + 4
    texts = (
        len(d.text) if d.fields is None else sum(len(str(v)) for v in d.fields.values()) for d in documents
    )
    if options.long_document is not LongDocument.BEST_PASSAGE:
        return sum(min(max_tokens, overhead + length // 3) for length in texts)
    # Windows overlap by a quarter and each repeats the query.
    room = max(1, min(options.max_tokens_per_document or max_tokens, max_tokens - overhead))
    return sum((overhead + room) * (1 + length // 3 * 4 // (3 * room)) for length in texts)


def check_instruction(options: Options, model: LoadedModel) -> None:
    """Raises InvalidRequestError for an instruction that the model has no place for."""
    if options.instruction and not model.backend.description.supports_instruction:
        raise InvalidRequestError(
            f"model {model.ref.id} takes no instruction; leave options.instruction empty",
            field="options.instruction",
            metadata={"model": model.ref.id},
        )


def forgives(options: Options, error: RerankdError) -> bool:
    """Whether `on_failure` turns this error into an answer; what the caller did wrong never is."""
    if options.on_failure is not FailureMode.ORIGINAL_ORDER:
        return False
    return not isinstance(error, (InvalidRequestError, ModelNotFoundError, DeadlineExceededError))


def why(error: RerankdError) -> str:
    """How `outcome_reason` tells of an error that was forgiven."""
    return f"{error.spec.reason}: {error.message}"
