"""What a resolved model is: files that lie on disk and match their checksums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A cross-encoder on disk, complete: graph, external data where the graph has some, tokenizer."""

    id: str
    """Canonical id: `rerankd/mini-en`, a Hub repository id, or a configured name."""
    revision: str
    """Commit of the Hub repository, or a digest of the files where there is no repository."""
    graph: Path
    """The ONNX file; its external data lie beside it."""
    tokenizer: Path
    """`tokenizer.json`."""
    config: Mapping[str, object] = field(default_factory=dict)
    """Parsed `config.json`; empty where the repository has none."""
    tokenizer_config: Mapping[str, object] = field(default_factory=dict)
    """Parsed `tokenizer_config.json`; empty where the repository has none."""
    precision: str = "fp32"
    """Of the stored graph: fp32, fp16, bf16, int8."""
    license: str = ""
    """SPDX id where known."""
