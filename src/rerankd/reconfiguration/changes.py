"""Changes of the section `reranking`, in the words of whoever asks for them."""

from __future__ import annotations

from collections.abc import Mapping

from rerankd.config import RerankingConfig
from rerankd.config import changes as sections
from rerankd.config.changes import NameOf, unknown_field

__all__ = ["FIELDS", "NameOf", "changed", "differences", "in_file", "unknown_field"]

FIELDS: tuple[str, ...] = tuple(RerankingConfig.model_fields)
"""Names of everything that can be changed while the server runs."""


def in_file(field: str) -> str:
    """How the configuration file names a field."""
    return f"reranking.{field}"


def changed(
    section: RerankingConfig, changes: Mapping[str, object], name_of: NameOf = in_file
) -> RerankingConfig:
    """The section with some values replaced; see `config.changes.changed`."""
    return sections.changed(section, changes, name_of)


def differences(old: RerankingConfig, new: RerankingConfig) -> dict[str, tuple[object, object]]:
    """Field to its old and new value, where they differ."""
    both = {field: (getattr(old, field), getattr(new, field)) for field in FIELDS}
    return {field: (was, becomes) for field, (was, becomes) in both.items() if was != becomes}
