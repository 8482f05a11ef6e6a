"""From a trained torch model to directories that serve: fp32 and int8, with the proof that they agree.

Importing this is cheap: torch and onnx are loaded by the first export.
"""

from __future__ import annotations

from rerankd.training.export.card import ModelFacts
from rerankd.training.export.exporting import ExportedModel, ExportReport, export
from rerankd.training.export.parity import DevQuery, Parity

__all__ = ["DevQuery", "ExportReport", "ExportedModel", "ModelFacts", "Parity", "export"]
