"""The model `none`: every order stays as it is, and the answer says so."""

from __future__ import annotations

from collections.abc import Sequence

from rerankd.backends.base import BackendDescription, NoBackend, ProgressReporter

NONE = "none"


class PassthroughModels:
    """The source of the one model `none`; see `core.catalogue.ModelSource`."""

    def find(self, name: str) -> str | None:
        """`none` for `none`."""
        return NONE if name == NONE else None

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """It has no other names."""
        return ()

    def names(self) -> Sequence[str]:
        """`none`."""
        return (NONE,)

    def load(self, model_id: str, report: ProgressReporter) -> NoBackend:
        """There is nothing to load."""
        return NoBackend(
            BackendDescription(
                id=NONE,
                revision="",
                backend=NONE,
            )
        )
