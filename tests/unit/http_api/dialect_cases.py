"""Rankings and requests that the tests of the dialects share."""

from __future__ import annotations

from rerankd.core.engine import Request
from rerankd.core.limits import Limits
from rerankd.core.types import Document, ModelRef, Outcome, Ranking, Result, Timing, Usage
from rerankd.http_api.dialects.dialect import Answered, Asked
from rerankd.http_api.json_text import JsonObject

LIMITS = Limits(max_documents=3)


def body(**more: object) -> JsonObject:
    return {"query": "q", "documents": ["a", "b"], **more}


def ranking(*, documents: tuple[Document, ...] = (), outcome: Outcome = Outcome.RERANKED) -> Ranking:
    """The second document before the first."""
    told = documents or (None, None)
    return Ranking(
        results=(
            Result(index=1, score=0.7251195311546326, rank=1, logit=0.97, document=told[1]),
            Result(index=0, score=1e-7, rank=2, logit=-16.1, document=told[0]),
        ),
        model=ModelRef(id="m", revision="r1", backend="onnx"),
        usage=Usage(documents=2, scored_documents=2, tokens=21, provider_units=3),
        timing=Timing(
            queue_seconds=0.0021, tokenize_seconds=0.0009, inference_seconds=0.031, total_seconds=0.0384
        ),
        outcome=outcome,
        outcome_reason="" if outcome is Outcome.RERANKED else "MODEL_LOADING: soon",
    )


def answered(told: Ranking | None = None, *warnings: str) -> Answered:
    request = Request(query="query", documents=[Document(text="one"), Document(text="three")])
    return Answered(
        asked=Asked(request=request, warnings=warnings), ranking=told or ranking(), request_id="id-1"
    )
