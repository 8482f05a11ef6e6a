"""What is to be reranked, how, and where the results go."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from rerankd.config import Config
from rerankd.core.types import Options

Shape = Literal["lists", "pairs"]
"""lists: a row is a query with the list of its documents. pairs: a row is a query with one document."""


class BatchError(Exception):
    """The run cannot begin or go on; the message says what to do, and what is done already is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns that are read."""

    query: str = "query"
    documents: str = "documents"
    """Of shape lists."""
    document: str = "document"
    """Of shape pairs."""
    group: str = ""
    """Of shape pairs: rows that are equal in it are ranked together; empty = the query."""

    @property
    def key(self) -> str:
        """The column by which pairs are grouped."""
        return self.group or self.query


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One dataset to rerank. Travels to the workers as it is.

    Attributes:
        config: Of the engine: model, runtime, limits.
        options: How each query is ranked.
    """

    inputs: tuple[str, ...]
    """Files, or folders of them, as paths or as URIs that Arrow knows (`s3://…`, `gs://…`)."""
    output: str
    """Folder of the results; made if it is not there."""
    config: Config
    options: Options = field(default_factory=Options)
    shape: Shape = "lists"
    columns: Columns = field(default_factory=Columns)
    return_documents: bool = False
    """Whether results of shape lists bring their documents; those of shape pairs always do."""
    block_bytes: int = 4 * 1024 * 1024
    """Size of the parts that are done, and after a crash done again, as a whole."""
    concurrent_queries: int = 16
    """Queries of a part that a worker scores side by side."""

    def fingerprint(self) -> dict[str, str]:
        """What two runs must have in common for one to go on with the other's work, by name."""
        options = {name: str(value) for name, value in asdict(self.options).items()}
        onnx, models = self.config.onnx, self.config.models
        scores = [onnx.precision, str(onnx.max_tokens), models.precision, str(models.precisions)]
        return {
            "model": self.config.model,
            "settings": digest_of([*scores, self.config.reranking.model_dump_json()]),
            "shape": self.shape,
            "columns": json.dumps(asdict(self.columns)),
            "options": json.dumps(options),
            "return_documents": str(self.return_documents),
            "block_bytes": str(self.block_bytes),
        }


def digest_of(lines: list[str]) -> str:
    """A short name for a list of lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
