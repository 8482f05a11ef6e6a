"""False-negative guards: what a model takes for nearly as good as the positive is no negative.

Both are of NV-Retriever (Moreira et al. 2024, "NV-Retriever: Improving text embedding models with effective
hard-negative mining"): TopK-MarginPos, a margin below the positive's score, and TopK-PercPos, a percentage of
it. Logits have no zero that means anything, so the percentage is of the way from the lowest logit of the
query's candidates to the positive's. Both judge by the model in use, and are not asked about documents that
people judged or passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from rerankd.config.training import MiningConfig

_MARGIN_OFF = -100.0
_PERCENTILE_OFF = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The guards of one group."""

    positive: float
    """Logit of its best positive."""
    lowest: float
    """Of all the candidates of its query."""
    config: MiningConfig

    def reason_to_refuse(self, logit: float) -> str:
        """Why a candidate of this logit is no negative: `margin` or `percentile`; empty where it is one."""
        margin, percentile = self.config.margin, self.config.percentile
        if margin > _MARGIN_OFF and logit > self.positive - margin:
            return "margin"
        most = self.lowest + percentile / 100 * (self.positive - self.lowest)
        return "percentile" if percentile < _PERCENTILE_OFF and logit > most else ""
