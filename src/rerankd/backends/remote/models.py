"""The models of other servers, by the names that the operator gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rerankd.backends.base import ProgressReporter, TextBackend
from rerankd.backends.remote.settings import RemoteSettings
from rerankd.backends.versioned_names import find_versioned, split_name


class RemoteModels:
    """The source of models that other servers score for; see `core.catalogue.ModelSource`."""

    def __init__(self, remotes: Mapping[str, RemoteSettings]) -> None:
        """`remotes`: `name` or `name@version` to where and how.

        Raises:
            ValueError: A name is none of a model.
        """
        self._remotes = dict(remotes)
        self._names = {model_id: split_name(model_id) for model_id in remotes}

    def find(self, name: str) -> str | None:
        """The configured name; a name without a version finds the only version.

        Raises:
            ModelNotFoundError: There are only other versions, or several.
        """
        return find_versioned(name, self._names)

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """The name without its version, where it is clear."""
        name = self._names[model_id][0]
        same = [other for other, (base, _) in self._names.items() if base == name]
        return (name,) if same == [model_id] and name != model_id else ()

    def names(self) -> Sequence[str]:
        """Every one, as configured."""
        return list(self._remotes)

    def load(self, model_id: str, report: ProgressReporter) -> TextBackend:
        """Makes what calls the server; nothing is called yet."""
        settings, (_, version) = self._remotes[model_id], self._names[model_id]
        if settings.is_rerankd:
            from rerankd.backends.remote.rerankd_backend import RerankdBackend

            return RerankdBackend(model_id, version, settings)
        from rerankd.backends.remote.pairs_backend import PairsBackend

        return PairsBackend(model_id, version, settings)
