"""The reference of all settings, printed from the settings themselves."""

from __future__ import annotations

import ast
import inspect
import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from rerankd.config.settings import Config, leaves, text_of
from rerankd.config.sources import env_name
from rerankd.config.types import HomePath, Section

_TYPE_NAMES: tuple[tuple[object, str], ...] = (
    (bool, "true or false"),
    (int, "integer"),
    (float, "number"),
    (str, "text"),
    (tuple, "list"),
    (dict, "table"),
    (Path, "path"),
    (HomePath | None, "path"),
    (SecretStr | None, "secret"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """One setting, as the reference page shows it."""

    key: str
    type: str
    default: str
    env: str
    description: str


def reference() -> list[ReferenceRow]:
    """Every setting, for the documentation."""
    return [
        ReferenceRow(
            key=key,
            type=_type_text(field),
            default=_default_text(field),
            env=env_name(key),
            description=_description(key),
        )
        for key, field in leaves()
    ]


def _description(key: str) -> str:
    *sections, name = key.split(".")
    owner: type[Section] = Config
    for section in sections:
        kind = owner.model_fields[section].annotation
        assert isinstance(kind, type)  # noqa: S101 - keys come from leaves
        owner = kind
    return next(text for base in owner.__mro__ if (text := _docstrings(base).get(name)) is not None)


@cache
def _docstrings(section: type) -> dict[str, str]:
    """The text under each field that the class itself declares."""
    if not issubclass(section, Section) or section is Section:
        return {}
    (tree,) = ast.parse(inspect.getsource(section)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class
    return {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in itertools.pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def _default_text(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["default_text"])
    return text_of(field.get_default(call_default_factory=True))


def _type_text(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " | ".join(get_args(field.annotation))
    origin = get_origin(field.annotation)
    kind = origin if origin in (tuple, dict) else field.annotation
    name = next((name for known, name in _TYPE_NAMES if known == kind), str(kind))
    low = next((f"{m.ge}" for m in field.metadata if isinstance(m, Ge)), "above 0")
    high = next((f"{m.le}" for m in field.metadata if isinstance(m, Le)), "")
    return f"{name}, {low} to {high}" if high else name
