"""Models that lie in a directory: the operator's own, and the one that comes with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rerankd.artifacts.checksums import combined, read_sums, sha256_of
from rerankd.artifacts.external_data import external_data_names
from rerankd.artifacts.files import ModelFiles
from rerankd.artifacts.layout import AUTO, FOLDERS, Layout, Wish, find_layout
from rerankd.core.errors import ModelFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryModel:
    """A model in a directory, with the layout of a Hub repository."""

    id: str
    directory: Path
    wish: Wish = AUTO
    preferred: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    license: str = ""

    def load(self) -> ModelFiles:
        """Finds the files and checks them against the directory's SHA256SUMS, if it has one.

        Raises:
            ModelFailedError: A file is missing, damaged or not what its name says.
        """
        layout = self._layout()
        return ModelFiles(
            id=self.id,
            revision=combined(self._digests(layout)),
            graph=self.directory / layout.graph,
            tokenizer=self.directory / layout.tokenizer,
            config=read_json(self.id, self.directory, layout.config),
            tokenizer_config=read_json(self.id, self.directory, layout.tokenizer_config),
            precision=layout.precision,
            license=self.license,
        )

    def paths(self) -> list[str]:
        """The files that make this model, relative to its directory."""
        layout = self._layout()
        return [layout.graph, *self._data(layout), *layout.small_files]

    def size(self) -> int:
        """Bytes of those files; 0 where the directory holds no model."""
        try:
            return sum((self.directory / path).stat().st_size for path in self.paths())
        except (ModelFailedError, OSError):
            return 0

    def _layout(self) -> Layout:
        if not self.directory.is_dir():
            raise self._noted(
                ModelFailedError(
                    f"the directory of model {self.id} does not exist; correct models.local",
                    metadata={"model": self.id},
                )
            )
        paths = {
            folder + entry.name
            for folder in FOLDERS
            if (self.directory / folder).is_dir()
            for entry in (self.directory / folder).iterdir()
            if entry.is_file()
        }
        try:
            return find_layout(self.id, paths, self.wish, self.preferred)
        except ModelFailedError as error:
            raise self._noted(error) from None

    def _data(self, layout: Layout) -> list[str]:
        names = external_names(self.id, self.directory / layout.graph, layout.graph)
        data = [layout.folder + name for name in names]
        missing = [path for path in data if not (self.directory / path).is_file()]
        if missing:
            raise self._noted(missing_data(self.id, layout.graph, missing))
        return data

    def _digests(self, layout: Layout) -> dict[str, str]:
        digests = {
            path: sha256_of(self.directory / path)
            for path in (layout.graph, *self._data(layout), *layout.small_files)
        }
        sums = read_sums(self.directory)
        for path, digest in digests.items():
            expected = sums.get(path, digest)
            if digest != expected:
                raise self._noted(
                    ModelFailedError(
                        f"{path} of model {self.id} does not match its checksum: sha256 {expected[:12]}... "
                        f"expected, {digest[:12]}... got; restore the file or correct SHA256SUMS",
                        metadata={"model": self.id, "file": path, "expected": expected, "got": digest},
                    )
                )
        return digests

    def _noted(self, error: ModelFailedError) -> ModelFailedError:
        """Messages go to callers, who must not see paths; notes go to the operator's log only."""
        error.add_note(f"directory of the model: {self.directory}")
        return error


def external_names(model: str, graph: Path, shown: str) -> tuple[str, ...]:
    """Names of the graph's external data.

    Raises:
        ModelFailedError: The graph is not readable, or wants files from elsewhere.
    """
    try:
        return external_data_names(graph)
    except ValueError as error:
        raise ModelFailedError(
            f"{shown} of model {model} {error}", metadata={"model": model, "file": shown}
        ) from error


def missing_data(model: str, graph: str, missing: list[str]) -> ModelFailedError:
    """The failure of a graph whose weights are not there."""
    return ModelFailedError(
        f"{graph} of model {model} keeps its weights in {', '.join(missing[:5])}, which is not there",
        metadata={"model": model, "missing": ", ".join(missing[:5])},
    )


def read_json(model: str, root: Path, path: str) -> Mapping[str, object]:
    """A JSON object, or an empty one for no path.

    Raises:
        ModelFailedError: The file holds something else.
    """
    if not path:
        return {}
    try:
        value = json.loads((root / path).read_bytes())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelFailedError(
            f"{path} of model {model} is not a JSON object", metadata={"model": model, "file": path}
        )
    return value
