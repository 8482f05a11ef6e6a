"""The models that every server knows: `presets.toml`, read once and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A known model and where its files are."""

    id: str
    """The model as its authors call it."""
    preset: str = ""
    """Short name: `fast`, `quality`; empty for a model that is known by its id only."""
    repository: str = ""
    """Hub repository that holds the ONNX files; empty for the bundled model."""
    revision: str = ""
    """Commit to use; empty = that of `main` at the first download."""
    bundled: str = ""
    """Folder inside the package, for the model that comes with it."""
    license: str = ""
    max_tokens: int = 0
    parameters: int = 0
    languages: tuple[str, ...] = ()
    description: str = ""
    aliases: tuple[str, ...] = ()
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Precision -> graph, then the files with its external data."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name but the id."""
        return ((self.preset,) if self.preset else ()) + self.aliases

    @property
    def directory(self) -> Path:
        """Where the bundled model lies."""
        return _HERE / "bundled" / self.bundled


@cache
def load_presets() -> tuple[Preset, ...]:
    """The known models, in the order of the file."""
    import tomllib

    tables = tomllib.loads((_HERE / "presets.toml").read_text(encoding="utf-8"))["models"]
    return tuple(_preset(table) for table in cast("list[dict[str, object]]", tables))


def _preset(table: dict[str, object]) -> Preset:
    bundled = _text(table, "bundled")
    files = cast("Mapping[str, list[str]]", table.get("files", {}))
    return Preset(
        id=_text(table, "id"),
        preset=_text(table, "preset"),
        repository="" if bundled else _text(table, "repository") or _text(table, "id"),
        revision=_text(table, "revision"),
        bundled=bundled,
        license=_text(table, "license"),
        max_tokens=cast("int", table["max_tokens"]),
        parameters=cast("int", table["parameters"]),
        languages=tuple(cast("list[str]", table["languages"])),
        description=_text(table, "description"),
        aliases=tuple(cast("list[str]", table.get("aliases", []))),
        files={precision: tuple(names) for precision, names in files.items()},
    )


def _text(table: Mapping[str, object], key: str) -> str:
    return cast("str", table.get(key, ""))
