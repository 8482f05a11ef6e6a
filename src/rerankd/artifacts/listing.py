"""What `rerankd models list` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ModelKind = Literal["bundled", "preset", "alias", "local", "cached"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelListing:
    """A model that this server knows, or has on its disk."""

    id: str
    kind: ModelKind
    """bundled: comes with the package; preset: known by name; alias, local: from configuration;
    cached: fetched before and known by its id only."""
    names: tuple[str, ...] = ()
    """Everything else it is called."""
    source: str = ""
    """Hub repository or directory."""
    revision: str = ""
    """Commit that is used, or the branch where none is pinned yet; empty for directories."""
    available: bool = False
    """Whether it loads without the network."""
    size_bytes: int = 0
    """On disk now; 0 = nothing was fetched yet."""
    license: str = ""
    """SPDX id where known."""
    description: str = ""
    max_tokens: int = 0
    """0 = not known before the model is here."""
    parameters: int = 0
    """0 = not known."""
    languages: tuple[str, ...] = ()
