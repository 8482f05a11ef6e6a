"""Rankings that callers want to be learned from: a port, so that doors need not know who learns."""

from __future__ import annotations

from typing import Protocol

from rerankd.core.engine import Request
from rerankd.core.types import Ranking

CORPUS_KEY = "x-rerankd-corpus"
"""Header or metadata by which a caller asks that its ranking be kept as shown, for this corpus."""
FEEDBACK_KEY = "x-rerankd-feedback"
"""Header or trailer that tells what became of it."""


class ShownLog(Protocol):
    """Keeps rankings as shown."""

    def note(self, corpus_id: str, request_id: str, request: Request, ranking: Ranking) -> str:
        """What becomes of it: `recorded`, or why not. Neither raises nor waits."""


def noted(
    shown: ShownLog | None, corpus_id: object, request_id: str, request: Request, ranking: Ranking
) -> dict[str, str]:
    """Keeps a ranking if its caller names a corpus; the header that tells what became of it."""
    if not isinstance(corpus_id, str) or not corpus_id:
        return {}
    if shown is None:
        return {FEEDBACK_KEY: "off: this server does not learn"}
    return {FEEDBACK_KEY: shown.note(corpus_id, request_id, request, ranking)}
