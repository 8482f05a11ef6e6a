"""What a call asks for: its query and its JSON body, by our names or tribrid's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request

from rerankd.config.changes import changed, unknown_field
from rerankd.config.types import Section
from rerankd.core.errors import InvalidRequestError
from rerankd.http_api.bodies import check_media, object_of, read_body

SectionT = TypeVar("SectionT", bound=Section)

OTHER_NAMES = {
    "repo_id": "corpus_id",
    "lr": "learning_rate",
    "grad_accum": "gradient_accumulation",
    "grad_accum_steps": "gradient_accumulation",
    "negative_ratio": "negatives_per_positive",
    "mine_mode": "write",
    "dev_split": "dev_fraction",
    "document_id": "doc_id",
}
"""Names by which clients of tribrid know some of the fields."""

MAX_BODY_BYTES = 16 * 1024 * 1024


class Arguments:
    """The fields of one call; each is taken once, and what is left over at the end is an error."""

    def __init__(self, values: Mapping[str, object]) -> None:
        """`values`: field to value, as it was sent.

        Raises:
            InvalidRequestError: A field is there by two names.
        """
        self._sent: dict[str, str] = {}
        self._values: dict[str, object] = {}
        for name, value in values.items():
            ours = OTHER_NAMES.get(name, name)
            if ours in self._values:
                raise InvalidRequestError(
                    f"{name} and {self._sent[ours]} are the same field; send one", field=name
                )
            if value is not None:
                self._values[ours], self._sent[ours] = value, name

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str | None = None) -> str:
        """A string; raises InvalidRequestError where it is missing without a default, or something else."""
        value = self._values.pop(name, default)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # a query string does not tell "7" from 7
        if not isinstance(value, str) or (not value and default is None):
            raise InvalidRequestError(f"{name} must be a text", field=self._sent.get(name, name))
        return value

    def count(self, name: str, default: int, most: int) -> int:
        """A whole number from 0."""
        value = self._values.pop(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise InvalidRequestError(f"{name} must be a whole number from 0 to {most}", field=name)
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where it is not sent."""
        value = self._values.pop(name, False)
        if value in (0, 1):
            return bool(value)
        raise InvalidRequestError(f"{name} must be true or false", field=name)

    def texts(self, name: str) -> list[str]:
        """A list of strings, or one."""
        value = self._values.pop(name, [])
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            raise InvalidRequestError(f"{name} must be a list of texts", field=name)
        return [str(item) for item in items]

    def raw(self, name: str, default: Any = None) -> Any:
        """A value as it was sent."""
        return self._values.pop(name, default)

    def settings(self, section: SectionT) -> SectionT:
        """A section with everything that is left in place of what it has.

        Raises:
            InvalidRequestError: A field is no setting, or its value is out of bounds.
        """
        left, self._values = self._values, {}
        known = [*type(section).model_fields, *OTHER_NAMES]
        for name in left:
            if name not in type(section).model_fields:
                raise unknown_field(name, known, self._sent[name])
        return changed(section, left, lambda name: self._sent.get(name, name))

    def finish(self) -> None:
        """Raises InvalidRequestError for a field that nobody took."""
        for name in self._values:
            sent = self._sent[name]
            raise InvalidRequestError(f"{sent[:100]}: no such field of this call", field=sent[:100])


async def arguments_of(request: Request) -> Arguments:
    """The fields of a call; those of the body win over those of the query, and of the path over both.

    Raises:
        InvalidRequestError: The body is no JSON object.
    """
    values: dict[str, object] = {name: _read(text) for name, text in request.query_params.items()}
    if request.method in ("POST", "DELETE"):
        body = await read_body(request.receive, MAX_BODY_BYTES)
        if body.strip():
            check_media(request.headers)
            values |= object_of(body)
    return Arguments(values | request.path_params)


def _read(text: str) -> object:
    """A value of a query string: a number or a truth where it reads as one."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
