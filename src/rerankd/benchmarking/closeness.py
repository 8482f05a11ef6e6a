"""How near one precision of a model is to another on the caller's own data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rerankd.benchmarking.in_process import EngineSubject
from rerankd.benchmarking.plan import OwnRequest
from rerankd.benchmarking.report import Closeness
from rerankd.core.agreement import Agreement

MOST_REQUESTS, MOST_DOCUMENTS = 10, 50
"""What is compared by: enough to see that a precision harms, and a few seconds of work."""


async def closeness(base: EngineSubject, other: EngineSubject, requests: Sequence[OwnRequest]) -> Closeness:
    """Scores the first requests with both.

    Raises:
        SubjectFailedError: One of them failed.
    """
    agreement = Agreement()
    for request in requests[:MOST_REQUESTS]:
        texts = request.texts[:MOST_DOCUMENTS]
        pair = [
            np.array(await subject.logits(request.query, texts), dtype=np.float64)
            for subject in (base, other)
        ]
        agreement.add(*pair)
    return Closeness(
        subject=other.facts.name,
        compared_with=base.facts.name,
        requests=agreement.requests,
        top10_overlap=agreement.top10_overlap,
        mean_drift=agreement.mean_drift,
        max_drift=agreement.max_drift,
    )
