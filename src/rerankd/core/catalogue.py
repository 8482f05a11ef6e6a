"""Which models there are: several sources of them under one roof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rerankd.backends.base import AnyBackend, ProgressReporter


class ModelSource(Protocol):
    """One kind of models: which names it answers to, and how one of them is loaded."""

    def find(self, name: str) -> str | None:
        """The id that a name stands for; None if the name is for another source. No I/O.

        Raises:
            ModelNotFoundError: The name is for this source, and requests may not use that model here.
        """

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """Other names of one of its models."""

    def names(self) -> Sequence[str]:
        """Ids of the models that can be told beforehand, for Status and lists of models."""

    def load(self, model_id: str, report: ProgressReporter) -> AnyBackend:
        """A model by the id that `find` gave. Blocks; runs in a thread of its own.

        Raises:
            RerankdError: It cannot be loaded.
        """


class Catalogue:
    """All models of a server. The first source that knows a name has it.

    Attributes:
        default: The name that an empty one stands for.
    """

    def __init__(
        self, sources: Sequence[ModelSource], *, default: str = "", aliases: Mapping[str, str] | None = None
    ) -> None:
        """`aliases`: names that the operator gave to models, whatever their source."""
        self._sources = tuple(sources)
        self._aliases = dict(aliases or {})
        self.default = default

    def canonical(self, name: str) -> str:
        """The id that a name stands for; raises ModelNotFoundError for what may not be loaded."""
        return self._find(name)[1]

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """Other names of the same model."""
        own = tuple(alias for alias, target in self._aliases.items() if self._target(target) == model_id)
        source, _ = self._find(model_id)
        return own + tuple(name for name in source.aliases_of(model_id) if name not in own)

    def names(self) -> list[str]:
        """Ids of the models that can be told beforehand."""
        return list(dict.fromkeys(name for source in self._sources for name in source.names()))

    def load(self, model_id: str, report: ProgressReporter) -> AnyBackend:
        """Loads a canonical id; blocks."""
        source, found = self._find(model_id)
        return source.load(found, report)

    def _find(self, name: str) -> tuple[ModelSource, str]:
        wanted = self._target(name or self.default)
        for source in self._sources[:-1] if wanted else ():
            found = source.find(wanted)
            if found is not None:
                return source, found
        # The last one answers for every name, with the reason why it has no such model.
        last = self._sources[-1]
        found = last.find(wanted)
        assert found is not None  # noqa: S101
        return last, found

    def _target(self, name: str) -> str:
        seen = {name}
        while (target := self._aliases.get(name)) is not None and target not in seen:
            seen.add(target)
            name = target
        return name
