"""What the operator decides about models: the only way to name files, hosts and repositories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactSettings:
    """Configuration of an `ArtifactStore`."""

    cache_dir: Path
    """Where downloads are kept, in the layout of huggingface_hub; made at the first download."""
    offline: bool = False
    """Never use the network; `HF_HUB_OFFLINE=1` does the same."""
    default_model: str = "default"
    """Name that stands for an empty one."""
    allow: tuple[str, ...] = ()
    """fnmatch patterns of Hub ids that *requests* may load besides the names known here."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further names: alias -> id, preset, local name or other alias."""
    local: Mapping[str, Path] = field(default_factory=dict)
    """Models in directories: name -> directory."""
    precision: str = "auto"
    """Wished precision; a model that offers only one is loaded in that one."""
    precisions: Mapping[str, str] = field(default_factory=dict)
    """Demanded precision of single models, or the path of a graph inside the repository."""
    revisions: Mapping[str, str] = field(default_factory=dict)
    """Commit, tag or branch of single Hub repositories."""
    hub_token: str | None = field(default=None, repr=False)
    """Token for private and gated repositories; without it huggingface_hub looks for its own."""
