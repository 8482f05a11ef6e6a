"""From a trained model to one that serves: gate, revisions, promotion and rollback."""

from __future__ import annotations

from rerankd.training.promotion.gate import Condition, Decision, Evidence, decide, evidence_of, require
from rerankd.training.promotion.learned_models import LearnedModels
from rerankd.training.promotion.promoter import Promoter
from rerankd.training.promotion.revisions import Current, Promotion, RevisionStore

__all__ = [
    "Condition",
    "Current",
    "Decision",
    "Evidence",
    "LearnedModels",
    "Promoter",
    "Promotion",
    "RevisionStore",
    "decide",
    "evidence_of",
    "require",
]
