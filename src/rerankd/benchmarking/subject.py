"""What is measured: a model with its settings in this process, or one of a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rerankd.benchmarking.fit import Call

Where = Literal["in-process", "server"]


class SubjectFailedError(Exception):
    """A call failed; the message says why in a line, with the error's reason in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a subject is."""

    where: Where
    model: str
    model_setting: str = ""
    """What `model` is to be set to; empty for a server's, and for a directory: reports name no paths."""
    revision: str = ""
    precision: str = ""
    """What it computes in."""
    precision_setting: str = ""
    """The `onnx.precision` that it was loaded with; empty for a server's."""
    provider: str = ""
    lanes: int = 0
    """0 = not known, as of a server."""
    batch_tokens: int = 0
    """0 = not known, as of a server."""
    load_seconds: float | None = None
    memory_mib: float | None = None
    """By how much the process grew when the model was loaded."""

    @property
    def name(self) -> str:
        """What tables call it."""
        parts = [self.model, self.precision, "server" if self.where == "server" else ""]
        return " ".join(part for part in parts if part)


def computes_in(precision: str) -> str:
    """The arithmetic of a model's precision, without what its weights are stored in."""
    return precision.split(",", maxsplit=1)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Tokens that a model was handed so far."""

    tokens: int
    padded: int
    """With padding; 0 = not known."""


class Subject(Protocol):
    """Something that ranks."""

    @property
    def facts(self) -> Facts:
        """What it is."""

    @property
    def most_documents(self) -> int:
        """How many a unary call may have."""

    @property
    def packed(self) -> Packed:
        """Tokens so far."""

    async def rank(self, query: str, texts: Sequence[str]) -> Call:
        """One unary call.

        Raises:
            SubjectFailedError: It failed.
        """

    async def stream(self, query: str, texts: Sequence[str]) -> Call:
        """One stream with all scores, and when the first one came.

        Raises:
            SubjectFailedError: It failed.
        """

    async def close(self) -> None:
        """Frees what it holds."""
