"""Models of the Hub: resolve, download what is needed, check, shelve. Offline once that is done."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.artifacts.directory import external_names, missing_data, read_json
from rerankd.artifacts.disk import writing_to_cache
from rerankd.artifacts.files import ModelFiles
from rerankd.artifacts.hub import Hub, offline
from rerankd.artifacts.layout import AUTO, Layout, Wish, find_layout
from rerankd.artifacts.progress import DownloadProgress
from rerankd.artifacts.snapshot import PinBook, RemoteFile, Snapshot
from rerankd.artifacts.verified import VerifiedFiles, check
from rerankd.core.errors import ModelFailedError
from rerankd.core.types import WarmupStage

if TYPE_CHECKING:
    from rerankd.backends.base import ProgressReporter

logger = logging.getLogger(__name__)

DEFAULT_REVISION = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A model and where on the Hub its files are."""

    id: str
    repository: str
    revision: str = DEFAULT_REVISION
    """Commit, tag or branch."""
    wish: Wish = AUTO
    preferred: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    license: str = ""
    """SPDX id where it is known beforehand; else the repository's own."""


class HubModels:
    """Gets models of the Hub onto the disk.

    Below the cache directory: `models--*` is huggingface_hub's cache, `rerankd/pins` tells what each
    repository held when it was first used, `rerankd/files` holds what passed its checksum.
    """

    def __init__(self, cache_dir: Path, token: str | None) -> None:
        self._hub = Hub(cache_dir, token)
        self._pins = PinBook(cache_dir / "rerankd" / "pins")
        self._shelf = VerifiedFiles(cache_dir / "rerankd" / "files")

    def load(
        self, model: HubModel, report: ProgressReporter, *, is_offline: bool, update: bool = False
    ) -> ModelFiles:
        """The model's files, downloaded if they are not here yet.

        Args:
            model: What to load.
            report: Told of RESOLVE and DOWNLOAD.
            is_offline: Fail rather than use the network.
            update: Ask the Hub what the revision means now, and keep to that from here on.

        Raises:
            ModelNotFoundError: There is no such repository or revision.
            ModelFailedError: It holds no usable model, or cannot be fetched, or is damaged.
        """
        with writing_to_cache(model.id):
            return self._load(model, report, is_offline=is_offline, update=update)

    def _load(
        self, model: HubModel, report: ProgressReporter, *, is_offline: bool, update: bool
    ) -> ModelFiles:
        report(WarmupStage.RESOLVE, 0.0, f"{model.repository} at {model.revision}")
        if update and is_offline:
            raise offline(model.id)
        snapshot = None if update else self.cached(model)
        if snapshot is None:
            if is_offline:
                raise offline(model.id)
            snapshot = self._resolve(model, update=update)
        layout = find_layout(model.id, snapshot.files, model.wish, model.preferred)
        report(WarmupStage.RESOLVE, 1.0, f"{layout.graph} at commit {snapshot.commit[:12]}")
        self._obtain(model, snapshot, layout, DownloadProgress(report), is_offline=is_offline)
        root = self._shelf.root(snapshot)
        return ModelFiles(
            id=model.id,
            revision=snapshot.commit,
            graph=root / layout.graph,
            tokenizer=root / layout.tokenizer,
            config=read_json(model.id, root, layout.config),
            tokenizer_config=read_json(model.id, root, layout.tokenizer_config),
            precision=layout.precision,
            license=model.license or snapshot.license,
        )

    def verify(self, model: HubModel) -> list[str]:
        """Hashes every cached file of the model again and gives their paths.

        Raises:
            ModelFailedError: The model is not cached, or a file is damaged; that one is deleted.
        """
        snapshot = self.cached(model)
        files = list(self._shelf.of(snapshot)) if snapshot else []
        if snapshot is None or not files:
            raise ModelFailedError(
                f"model {model.id} is not in the cache; fetch it with `rerankd models pull {model.id}`",
                metadata={"model": model.id},
            )
        for file in files:
            self._check_or_discard(self._shelf.path(snapshot, file), snapshot, file)
        return [file.path for file in files]

    def cached(self, model: HubModel) -> Snapshot | None:
        """What is known of the model without asking; None if it was never resolved here."""
        commit = self._pins.commit_of(model.repository, model.revision)
        return self._pins.load(model.repository, commit) if commit else None

    def is_complete(self, model: HubModel) -> bool:
        """Whether the model can be loaded without the network."""
        snapshot = self.cached(model)
        if snapshot is None:
            return False
        try:
            layout = find_layout(model.id, snapshot.files, model.wish, model.preferred)
        except ModelFailedError:
            return False
        paths = (layout.graph, *layout.small_files, *layout.likely_data)
        return all(self._shelf.has(snapshot, snapshot.files[path]) for path in paths)

    def repositories(self) -> list[str]:
        """Every repository that was resolved with this cache."""
        return self._pins.repositories()

    def size_of(self, repository: str) -> int:
        """Bytes on disk."""
        return self._shelf.size_of(repository)

    def _resolve(self, model: HubModel, *, update: bool) -> Snapshot:
        snapshot = self._hub.snapshot(model.id, model.repository, model.revision)
        self._pins.save(snapshot)
        commit = self._pins.pin(model.repository, model.revision, snapshot.commit, replace=update)
        if commit == snapshot.commit:
            return snapshot
        # Another process pinned first, and the branch moved in between: all keep to the first pin.
        known = self._pins.load(model.repository, commit)
        if known is None:
            known = self._hub.snapshot(model.id, model.repository, commit)
            self._pins.save(known)
        return known

    def _obtain(
        self,
        model: HubModel,
        snapshot: Snapshot,
        layout: Layout,
        progress: DownloadProgress,
        *,
        is_offline: bool,
    ) -> None:
        """Brings the small files, then the graph, then the data that the graph names."""
        first = (*layout.small_files, layout.graph)
        expected = {*first, *layout.likely_data}
        for path in expected:
            progress.expect(snapshot.files[path].size)
        for path in first:
            self._obtain_file(model, snapshot, snapshot.files[path], progress, is_offline=is_offline)
        graph = self._shelf.path(snapshot, snapshot.files[layout.graph])
        data = [layout.folder + name for name in external_names(model.id, graph, layout.graph)]
        missing = [path for path in data if path not in snapshot.files]
        if missing:
            raise missing_data(model.id, layout.graph, missing)
        for path in data:
            if path not in expected:
                progress.expect(snapshot.files[path].size)
            self._obtain_file(model, snapshot, snapshot.files[path], progress, is_offline=is_offline)
        progress.end()

    def _obtain_file(
        self,
        model: HubModel,
        snapshot: Snapshot,
        file: RemoteFile,
        progress: DownloadProgress,
        *,
        is_offline: bool,
    ) -> None:
        progress.begin(file.path)
        if not self._is_sound(snapshot, file, is_offline=is_offline):
            if is_offline:
                raise offline(model.id)
            source = self._hub.download(model.id, snapshot, file, progress.add)
            progress.say(f"checking {file.path}")
            try:
                self._shelf.admit(source, snapshot, file)
            except ModelFailedError:
                self._hub.discard(snapshot, file)
                raise
        progress.finish(file.size)

    def _is_sound(self, snapshot: Snapshot, file: RemoteFile, *, is_offline: bool) -> bool:
        """Whether the file is on the shelf, and still what came there: disks forget.

        A damaged one is deleted. Reading it costs little beside the rest of a load, which reads it too.
        """
        if not self._shelf.has(snapshot, file):
            return False
        try:
            self._check_or_discard(self._shelf.path(snapshot, file), snapshot, file)
        except ModelFailedError as error:
            if is_offline:
                raise
            logger.warning(
                "a model file on disk is damaged and is fetched anew",
                extra={"repository": snapshot.repository, **error.metadata},
            )
            return False
        return True

    def _check_or_discard(self, path: Path, snapshot: Snapshot, file: RemoteFile) -> None:
        try:
            check(path, snapshot, file)
        except ModelFailedError:
            path.unlink()
            # The blob behind it is the same file by another name, or at least as doubtful.
            self._hub.discard(snapshot, file)
            raise
