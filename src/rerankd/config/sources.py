"""Where settings come from: a TOML file, the environment, flags; and what is wrong with them."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

ENV_PREFIX = "RERANKD_"
FILE_VARIABLE = "RERANKD_CONFIG"
CLIENT_VARIABLES = frozenset(
    {
        "RERANKD_TARGET",
        "RERANKD_TOKEN",
        "RERANKD_TLS",
        "RERANKD_TLS_CA",
        "RERANKD_TLS_CERT",
        "RERANKD_TLS_KEY",
    }
)
"""Variables that the client commands read; no settings of the server."""
# Kubernetes sets these for each Service whose name begins with "rerankd": nobody wrote them.
_SERVICE_LINK = re.compile(r"^RERANKD_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP).*)?)$")
_LINK_VALUE = re.compile(r"^(tcp|udp|sctp)://")

Source = Literal["flag", "env", "file", "default", "state"]
Fields = Mapping[str, FieldInfo]
"""Dotted key to field, for every setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value that somebody gave, and where."""

    value: object
    source: Source
    where: str
    """The file's path, the variable's name or "a flag"."""


def env_name(key: str) -> str:
    """The environment variable of a dotted key."""
    return ENV_PREFIX + key.upper().replace(".", "__")


def from_file(path: Path, fields: Fields, problems: list[str]) -> dict[str, Given]:
    """What a TOML file sets; appends to `problems` what it sets wrongly."""
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: not valid TOML: {error}")
        return {}
    sections = {key.rpartition(".")[0] for key in fields} - {""}
    given: dict[str, Given] = {}

    def walk(table: Mapping[str, object], prefix: str) -> None:
        for name, value in table.items():
            key = f"{prefix}{name}"
            if key in fields:
                given[key] = Given(value=value, source="file", where=str(path))
            elif key in sections and isinstance(value, Mapping):
                walk(value, f"{key}.")
            elif key in sections:
                problems.append(f"{key}: a table is expected (from {path})")
            else:
                problems.append(_unknown(key, [*fields, *sections], str(path)))

    walk(tables, "")
    return given


def from_environment(environ: Mapping[str, str], fields: Fields, problems: list[str]) -> dict[str, Given]:
    """What RERANKD_* variables set; appends to `problems` the names that are no setting."""
    keys = {env_name(key): key for key in fields}
    given: dict[str, Given] = {}
    for variable, text in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in CLIENT_VARIABLES or variable == FILE_VARIABLE:
            continue
        key = keys.get(variable)
        if (key is None and _SERVICE_LINK.match(variable)) or _LINK_VALUE.match(text):
            continue
        if key is None:
            problems.append(_unknown(variable, keys, "the environment"))
            continue
        given[key] = Given(value=_parse(text, fields[key]), source="env", where=variable)
    return given


def from_flags(flags: Mapping[str, object], fields: Fields, problems: list[str]) -> dict[str, Given]:
    """What flags set, None meaning not given; appends to `problems` the keys that are no setting."""
    given: dict[str, Given] = {}
    for key, value in flags.items():
        if key not in fields:
            problems.append(_unknown(key, fields, "a flag"))
        elif value is not None:
            parsed = _parse(value, fields[key]) if isinstance(value, str) else value
            given[key] = Given(value=parsed, source="flag", where="a flag")
    return given


def explain(error: ValidationError, given: Mapping[str, Given]) -> Iterator[str]:
    """One line for each value that does not fit: key, what is allowed, where it came from."""
    for problem in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in problem["loc"]]
        key = next((k for n in range(len(path), 0, -1) if (k := ".".join(path[:n])) in given), "")
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if not key:
            yield message
            continue
        item = ".".join(path)[len(key) + 1 :]
        yield f"{key}{f'[{item}]' if item else ''}: {message} (from {given[key].where})"


def _parse(text: str, field: FieldInfo) -> object:
    """A variable's or flag's text: JSON, `a,b` or `name=value,...` where a collection is wanted."""
    kind = get_origin(field.annotation)
    if kind not in (tuple, dict):
        return text
    if text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kind is tuple:
        return parts
    pairs = [part.partition("=") for part in parts]
    return {name.strip(): value.strip() for name, _, value in pairs} if all(p[1] for p in pairs) else text


def _unknown(key: str, known: Iterable[str], where: str) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{key}: no such setting (from {where}){hint}"
