"""Cross-encoders as torch modules: the architecture of the bundled model, and how a base model is opened.

Needs the extra `train`. Importing this package registers the architecture with the Auto classes of
transformers, so that its checkpoints open like any other.
"""

from __future__ import annotations

from transformers import AutoConfig, AutoModelForSequenceClassification

from rerankd.training.modeling.base_models import load_base
from rerankd.training.modeling.segment_gated import SegmentGatedConfig, SegmentGatedModel

__all__ = ["SegmentGatedConfig", "SegmentGatedModel", "load_base"]

AutoConfig.register(SegmentGatedConfig.model_type, SegmentGatedConfig)
AutoModelForSequenceClassification.register(SegmentGatedConfig, SegmentGatedModel)
