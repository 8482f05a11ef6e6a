"""The kinds of values that settings have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_INT32_MAX = 2**31 - 1


class Section(BaseModel):
    """A table of settings; immutable. The text under each field is its entry in the reference."""

    # Not `use_attribute_docstrings`: it parses the file once for each class, at every start.
    model_config = ConfigDict(frozen=True, extra="forbid")


def default_cache() -> Path:
    """Where downloads go unless somebody says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "rerankd"


def _expand_home(value: object) -> object:
    return os.path.expanduser(value) if isinstance(value, str) else value


HomePath = Annotated[Path, BeforeValidator(_expand_home)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=0, le=_INT32_MAX)]
Positive = Annotated[int, Field(ge=1, le=_INT32_MAX)]
Precision = Annotated[str, Field(pattern=r"^(auto|fp32|fp16|bf16|int8|[\w./-]+\.onnx)$")]
Seconds = Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
