"""From the names that people write to canonical ids, without touching disk or network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from rerankd.artifacts.presets import Preset
from rerankd.artifacts.settings import ArtifactSettings
from rerankd.core.errors import ModelNotFoundError

LONGEST_NAME = 200
"""A little over the longest id that the Hub gives out, so nothing real is refused for its length."""

# The Hub's own rule: an owner and a name of letters, digits, `_`, `.` and `-`, each at most 96 long,
# neither beginning nor ending with `.` or `-`. No such id is a path that leads anywhere but down.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_PLAIN_NAME = re.compile(_PART)
_HUB_ID = re.compile(rf"(?!.*(?:--|\.\.)){_PART}/{_PART}(?<!\.git)")


class Names:
    """Every name that this server knows, and the rule for those it does not."""

    def __init__(self, settings: ArtifactSettings, presets: Iterable[Preset]) -> None:
        """Raises ValueError where aliases go round in circles or two things share a name."""
        both = sorted(settings.local.keys() & settings.aliases.keys())
        if both:
            raise ValueError(f"{both[0]!r} is both an alias and a local model")
        self._allow = settings.allow
        self._known: dict[str, str] = {}
        self._short: list[str] = []
        for preset in presets:
            self._known.update(dict.fromkeys((preset.id, *preset.names), preset.id))
            self._short += [preset.preset] if preset.preset else []
        # The operator's names win: `fast` may mean another model here.
        self._known.update({name: name for name in settings.local})
        self._resolve_aliases(settings.aliases)
        self._short += [*settings.local, *settings.aliases]
        self.default = self.canonical(settings.default_model or "default", trusted=True)
        self._known.setdefault(self.default, self.default)

    def canonical(self, name: str, *, trusted: bool = False) -> str:
        """The id that a name stands for.

        Args:
            name: An id, preset, alias or local name; empty = the default model.
            trusted: The name is the operator's own, from a command line or configuration.

        Raises:
            ModelNotFoundError: It is no name of a model, or requests may not load that model here.
        """
        if not name:
            return self.default
        if len(name) > LONGEST_NAME:
            raise _refused(name, f"a model name has at most {LONGEST_NAME} characters, not {len(name)}")
        known = self._known.get(name)
        if known is not None:
            return known
        if not is_hub_id(name):
            raise _refused(name, self._objection(name))
        if trusted or any(fnmatchcase(name, pattern) for pattern in self._allow):
            return name
        raise _refused(
            name,
            f"requests may not load model {name!r} here; allowed are {self._allowed()}; "
            "the operator can add it to models.allow",
        )

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """Other names of the model, without the id itself."""
        return tuple(name for name, target in self._known.items() if target == model_id and name != model_id)

    def _resolve_aliases(self, aliases: Mapping[str, str]) -> None:
        # All targets first, then all names: an alias `fast` to `fast-v2` must not change what
        # another alias to the preset `fast` of the same table means by their order.
        resolved = {alias: self._end_of(alias, aliases) for alias in aliases}
        self._known.update(resolved)
        for model_id in resolved.values():
            self._known.setdefault(model_id, model_id)

    def _end_of(self, alias: str, aliases: Mapping[str, str]) -> str:
        target, seen = alias, {alias}
        while target in aliases:
            target = aliases[target]
            if target in seen:
                raise ValueError(f"alias {alias!r} leads back to itself")
            seen.add(target)
        try:
            return self.canonical(target, trusted=True)
        except ModelNotFoundError as error:
            raise ValueError(f"alias {alias!r} means no model: {error.message}") from error

    def _objection(self, name: str) -> str:
        if not name.isprintable():
            return f"a model name has no control characters: {name!a}"
        if "://" in name:
            return f"a model name is not an address: {name!r}; write the Hub's id, owner/name"
        if name.startswith(("/", ".", "~")) or ".." in name or "\\" in name or name.count("/") > 1:
            return (
                f"a model name is not a path: {name!r}; "
                "the operator can give a directory a name in models.local"
            )
        if _PLAIN_NAME.fullmatch(name):
            return f"no model is called {name!r}; there are {self._allowed()}"
        return (
            f"{name!r} is not a model name: a Hub id is owner/name of letters, digits, '_', '.' and '-', "
            "each at most 96 characters, not beginning or ending with '.' or '-', without '--' and '..'"
        )

    def _allowed(self) -> str:
        names = list(dict.fromkeys((*self._short, *self._allow)))
        return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def is_hub_id(name: str) -> bool:
    """Whether the Hub could have a repository of this id."""
    return _HUB_ID.fullmatch(name) is not None


def _refused(name: str, message: str) -> ModelNotFoundError:
    shown = name if name.isprintable() else ascii(name)[1:-1]
    return ModelNotFoundError(message, metadata={"model": shown[:LONGEST_NAME]})
