"""Training runs: a child process each, watched, cancelled, resumed and kept.

Importing this is cheap: torch and MLflow are loaded by the worker, or by the first call that needs them.
"""

from __future__ import annotations

from rerankd.training.runs.base_models import BaseModel, base_of_store
from rerankd.training.runs.control import RunManager
from rerankd.training.runs.progress import RunProgress
from rerankd.training.runs.tracking import CURRENT, PREVIOUS, TrackedRun, Tracking

__all__ = [
    "CURRENT",
    "PREVIOUS",
    "BaseModel",
    "RunManager",
    "RunProgress",
    "TrackedRun",
    "Tracking",
    "base_of_store",
]
