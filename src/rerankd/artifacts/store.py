"""The models of this server: names in, verified files out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rerankd.artifacts.directory import DirectoryModel
from rerankd.artifacts.files import ModelFiles
from rerankd.artifacts.hub import offline_by_environment
from rerankd.artifacts.hub_models import DEFAULT_REVISION, HubModel, HubModels
from rerankd.artifacts.layout import PRECISIONS, Wish, is_precision
from rerankd.artifacts.listing import ModelKind, ModelListing
from rerankd.artifacts.names import Names, is_hub_id
from rerankd.artifacts.presets import Preset, load_presets
from rerankd.artifacts.settings import ArtifactSettings
from rerankd.core.types import WarmupStage

if TYPE_CHECKING:
    from rerankd.backends.base import ProgressReporter


class ArtifactStore:
    """Finds, fetches and checks models. Safe to call from many threads; `fetch` and `pull` block."""

    def __init__(self, settings: ArtifactSettings) -> None:
        """Touches neither disk nor network.

        Raises:
            ValueError: The settings contradict each other or ask for an unknown precision.
            ModelNotFoundError: `default_model`, or an id with a revision or precision, is no name.
        """
        for precision in (settings.precision, *settings.precisions.values()):
            if not is_precision(precision):
                raise ValueError(
                    f"{precision!r} is no precision; there are auto, {', '.join(PRECISIONS)} "
                    "and the paths of .onnx files"
                )
        self._settings = settings
        self._presets = {preset.id: preset for preset in load_presets()}
        self._names = Names(settings, self._presets.values())
        self._hub = HubModels(settings.cache_dir, settings.hub_token)
        self._precisions = {self._own(name): value for name, value in settings.precisions.items()}
        self._revisions = {self._own(name): value for name, value in settings.revisions.items()}

    def canonical(self, name: str, *, trusted: bool = False) -> str:
        """The id that a name stands for; no I/O.

        Args:
            name: An id, preset, alias or local name; empty = the default model.
            trusted: The name is the operator's own, so any Hub id is allowed.

        Raises:
            ModelNotFoundError: It is no name of a model, or requests may not load that model here.
        """
        return self._names.canonical(name, trusted=trusted)

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """Other names of the model, without the id itself."""
        return self._names.aliases_of(model_id)

    def fetch(self, model_id: str, report: ProgressReporter) -> ModelFiles:
        """The files of a model, downloaded first if they are not here.

        A load from the cache makes no request. Blocks; several threads and processes may fetch the
        same model at once.

        Args:
            model_id: What `canonical` gave; whether requests may name it was decided there.
            report: Told of RESOLVE and, for models of the Hub, DOWNLOAD.

        Raises:
            ModelNotFoundError: There is no such model or revision.
            ModelFailedError: It has no usable files, is damaged, or cannot be fetched.
        """
        return self._load(model_id, report, update=False)

    def pull(self, model_id: str, report: ProgressReporter, *, update: bool = False) -> ModelFiles:
        """The same for an operator who fills the cache beforehand.

        Args:
            model_id: What `canonical` gave.
            report: As for `fetch`.
            update: Ask the Hub what the revision means now and keep to that; without it the commit
                of the first download stays. A model whose revision is a commit never changes.

        Raises:
            ModelNotFoundError: There is no such model or revision.
            ModelFailedError: As for `fetch`.
        """
        return self._load(model_id, report, update=update)

    def verify(self, model_id: str) -> list[str]:
        """Hashes the model's files on disk again and gives their paths; no network.

        Raises:
            ModelFailedError: The model is not on disk, or a file is damaged. A damaged download is
                deleted, so that the next load fetches it anew.
        """
        place = self.place(model_id)
        if isinstance(place, DirectoryModel):
            place.load()
            return place.paths()
        return self._hub.verify(place)

    def listing(self) -> list[ModelListing]:
        """Every model with a name here or files on disk: known ones, configured ones, cached ones."""
        known = list(self._presets)
        configured = [*self._settings.local]
        configured += [self._own(alias) for alias in self._settings.aliases]
        configured += [self._names.default, *self._revisions, *self._precisions]
        fetched = {place.repository for place in map(self.place, known) if isinstance(place, HubModel)}
        # Anything may lie in a cache directory; what is no repository's folder is left alone.
        cached = [r for r in self._hub.repositories() if r not in fetched and is_hub_id(r)]
        return [self._list(model_id) for model_id in dict.fromkeys((*known, *configured, *cached))]

    def _own(self, name: str) -> str:
        return self._names.canonical(name, trusted=True)

    def _load(self, model_id: str, report: ProgressReporter, *, update: bool) -> ModelFiles:
        place = self.place(model_id)
        if isinstance(place, HubModel):
            is_offline = self._settings.offline or offline_by_environment()
            return self._hub.load(place, report, is_offline=is_offline, update=update)
        report(WarmupStage.RESOLVE, 0.0, "checking the files on disk")
        files = place.load()
        report(WarmupStage.RESOLVE, 1.0, f"{files.graph.name} at {files.revision}")
        return files

    def place(self, model_id: str) -> DirectoryModel | HubModel:
        """Where the files of a canonical id are, by configuration; no I/O."""
        wish = self._wish(model_id)
        preset = self._presets.get(model_id, Preset(id=model_id))
        local = self._settings.local.get(model_id)
        if local is not None:
            return DirectoryModel(id=model_id, directory=local, wish=wish)
        if preset.bundled:
            return DirectoryModel(
                id=model_id,
                directory=preset.directory,
                wish=wish,
                preferred=preset.files,
                license=preset.license,
            )
        return HubModel(
            id=model_id,
            repository=preset.repository or self._own(model_id),
            revision=self._revisions.get(model_id) or preset.revision or DEFAULT_REVISION,
            wish=wish,
            preferred=preset.files,
            license=preset.license,
        )

    def _wish(self, model_id: str) -> Wish:
        own = self._precisions.get(model_id)
        return Wish(precision=own or self._settings.precision, strict=own is not None)

    def _kind(self, model_id: str) -> ModelKind:
        if model_id in self._settings.local:
            return "local"
        if model_id in self._presets:
            return "bundled" if self._presets[model_id].bundled else "preset"
        return "alias" if self.aliases_of(model_id) else "cached"

    def _list(self, model_id: str) -> ModelListing:
        preset = self._presets.get(model_id, Preset(id=model_id))
        place = self.place(model_id)
        if isinstance(place, DirectoryModel):
            size = place.size()
            source, revision, available, license_id = str(place.directory), "", size > 0, place.license
        else:
            size, snapshot = self._hub.size_of(place.repository), self._hub.cached(place)
            source, available = place.repository, self._hub.is_complete(place)
            revision = snapshot.commit if snapshot else place.revision
            license_id = place.license or (snapshot.license if snapshot else "")
        return ModelListing(
            id=model_id,
            kind=self._kind(model_id),
            names=self.aliases_of(model_id),
            source=source,
            revision=revision,
            available=available,
            size_bytes=size,
            license=license_id,
            description=preset.description,
            max_tokens=preset.max_tokens,
            parameters=preset.parameters,
            languages=preset.languages,
        )
