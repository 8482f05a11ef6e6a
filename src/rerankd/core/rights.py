"""Which models a caller may use."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Protocol

from rerankd.core.errors import ForbiddenError, ModelNotFoundError
from rerankd.core.types import Caller

_MOST_PATTERNS = 8
"""Patterns that a refusal lists."""


class _Names(Protocol):
    def canonical(self, name: str) -> str:
        """The id that a name stands for; raises ModelNotFoundError for an unknown one."""


def check_model(caller: Caller, names: _Names, name: str) -> None:
    """Refuses a model that the caller's key does not allow, before anything of it is loaded.

    Args:
        caller: Who asks.
        names: Knows what names stand for, such as the registry.
        name: What the request calls the model.

    Raises:
        ForbiddenError: The key allows others only.
        ModelNotFoundError: There is no model of this name.
    """
    if caller.models is None:
        return
    model_id = names.canonical(name)
    if any(_means(pattern, model_id, names) for pattern in caller.models):
        return
    shown = ", ".join(caller.models[:_MOST_PATTERNS]) or "none"
    raise ForbiddenError(
        f"the key {caller.client} may not use the model {model_id}; it allows {shown}",
        metadata={"key": caller.client, "model": model_id},
        field="options.model",
    )


def may_use(caller: Caller, names: _Names, model_ids: Iterable[str]) -> list[str]:
    """The models among these that the caller's key allows."""
    if caller.models is None:
        return list(model_ids)
    return [one for one in model_ids if any(_means(pattern, one, names) for pattern in caller.models)]


def _means(pattern: str, model_id: str, names: _Names) -> bool:
    """Whether a pattern allows a model: it matches the id, or is another name of it."""
    if fnmatchcase(model_id, pattern):
        return True
    try:
        return names.canonical("" if pattern == "default" else pattern) == model_id
    except ModelNotFoundError:
        return False
