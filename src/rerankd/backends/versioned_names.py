"""Names of models that have versions: `name` and `name@version`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rerankd.core.errors import ModelNotFoundError

_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+/-]*[A-Za-z0-9])?")
_LONGEST = 128


def split_name(name: str) -> tuple[str, str]:
    """Name and version; the version is empty where there is none.

    Raises:
        ValueError: Not such a name.
    """
    base, at, version = name.partition("@")
    for word in (base, version) if at else (base,):
        if not _WORD.fullmatch(word) or len(word) > _LONGEST:
            raise ValueError(
                f"{name[:_LONGEST]!r} is no name of a model; use name or name@version, each of at most "
                f"{_LONGEST} letters, digits, `.`, `_`, `-`, `+` and `/`, a letter or digit first and last"
            )
    return base, version


def find_versioned(wanted: str, models: Mapping[str, tuple[str, str]]) -> str | None:
    """The id that a name stands for, among ids with their names and versions.

    A name without a version stands for the only version that there is.

    Raises:
        ModelNotFoundError: There are other versions of it, or several and the name does not say which.
    """
    if wanted in models:
        return wanted
    base, at, version = wanted.partition("@")
    same = {model_id: known for model_id, (name, known) in models.items() if name == base}
    if not same:
        return None
    if not at and len(same) == 1:
        return next(iter(same))
    for model_id, known in same.items():
        if at and version and version == known:
            return model_id
    there = ", ".join(f"{base}@{known}" if known else f"{base} without a version" for known in same.values())
    missing = f"there is no version {version[:_LONGEST]!r} of {base}" if at else f"{base} needs a version"
    raise ModelNotFoundError(f"{missing}; there is {there}", metadata={"model": wanted})
