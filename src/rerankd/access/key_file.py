"""The file of keys: names, digests and what each key allows. No key itself is in it."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rerankd.access.operations import Scope

PREFIX = "rerankd_"
"""Keys begin with it, so that scanners of repositories and logs can find one that leaked."""

_KEY_BYTES = 32
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_LONGEST_FILE = 4 * 1024 * 1024
_MOST_KEYS = 10_000
_INT63_MAX = 2**63 - 1

KeyName = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
ModelPattern = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
Tokens = Annotated[int, Field(ge=0, le=_INT63_MAX)]


class KeyFileError(Exception):
    """The file cannot be used; one sentence that names no key."""


class KeyRecord(BaseModel):
    """One key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the key, in hexadecimal."""
    scopes: tuple[Scope, ...] = (Scope.RERANK,)
    """What it is for; empty = only what any key opens, such as status and closed metrics."""
    models: tuple[ModelPattern, ...] | None = None
    """Patterns of models that it may use (`cohere/*`), or their names; not set = all of them."""
    tokens_per_minute: Tokens = 0
    """Most tokens scored in a minute; 0 = no bound."""
    concurrent_tokens: Tokens = 0
    """Most tokens under way at a time; 0 = no bound."""


class _KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: dict[KeyName, KeyRecord] = Field(default_factory=dict, max_length=_MOST_KEYS)

    @model_validator(mode="after")
    def _each_key_has_one_name(self) -> _KeyFile:
        names: dict[str, str] = {}
        for name, record in self.keys.items():
            other = names.setdefault(record.sha256, name)
            if other != name:
                raise ValueError(f"{other} and {name} are the same key; give each its own")
        return self


def digest_of(key: str) -> str:
    """What the file keeps of a key.

    A plain SHA-256, because generated keys hold 256 bits of chance: nobody can try them out, salted and
    slowed or not, while a slow hash would cost each call what the slowness is. It is right for such keys
    only, which is why the file never takes a key of a person's own making.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def generate() -> str:
    """A new key."""
    return PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def line_of(name: str, record: KeyRecord) -> str:
    """The line of a TOML file that holds a key's record."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise KeyFileError(
            f"{name[:80]!r} cannot name a key; use up to 63 letters, digits, _ and -, the first no sign"
        )
    given = record.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    # JSON's numbers, lists and texts without control characters are TOML's as well.
    fields = ", ".join(f"{field} = {json.dumps(value, ensure_ascii=False)}" for field, value in given.items())
    return f"keys.{name} = {{ {fields} }}"


def read_key_file(path: Path) -> Mapping[str, KeyRecord]:
    """The records of a file, by name.

    Raises:
        KeyFileError: It cannot be read or says something wrong; what is told holds no digest.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or error}") from error
    if len(content) > _LONGEST_FILE:
        raise KeyFileError(f"{path}: more than {_LONGEST_FILE} bytes")
    try:
        text = content.decode()
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # The message of a parser can quote what it read.
        where = re.search(r"line \d+,? column \d+", str(error))
        raise KeyFileError(
            f"{path}: not valid {'JSON' if path.suffix == '.json' else 'TOML'}"
            f"{f' at {where[0]}' if where else ''}"
        ) from None
    try:
        return _KeyFile.model_validate(value).keys
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"])[:120]
        raise KeyFileError(f"{path}: {place}: {problem['msg'].removeprefix('Value error, ')}") from None
