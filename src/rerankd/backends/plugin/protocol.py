"""What a plugin is, and what it says of itself."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from rerankd.backends.versioned_names import split_name


class Plugin(Protocol):
    """Somebody's code that scores documents.

    Three more methods are called if they are there: `version() -> str`; `initialize()`, once before the
    first call of `rerank`; `shutdown()`, once after the last. The latter two may be `async`. With an
    attribute `listwise = True` it says that a score depends on the other documents of its call; it then
    cannot take streams, whose documents come in several calls.

    Nothing of it runs on the server's event loop: an `async` method runs on a loop of the plugin's own,
    any other in a worker thread, so a method may block.
    """

    def name(self) -> str:
        """Name of the model, as requests write it."""

    def rerank(self, query: str, documents: list[str]) -> Iterable[float] | Awaitable[Iterable[float]]:
        """One score for each document, in the order of the documents, higher is better.

        They must not be sorted, and reach the caller as they are. May be `async`. At least one document
        comes, no two are equal, and any text can be among them, the empty one too. Is called several
        times at once, at most `plugins.max_concurrency`. What it raises fails the request that it was
        called for, and no other.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginIdentity:
    """What a plugin says of itself."""

    name: str
    version: str
    """Empty where it does not tell."""


def identify(plugin: object) -> PluginIdentity:
    """Name and version of a plugin.

    Raises:
        TypeError: It is no plugin; the text says what is missing.
        ValueError: Its name or version has characters that no name of a model has.
    """
    if inspect.isclass(plugin):
        raise TypeError(f"{plugin.__name__} is a class; give an object of it")
    for method in ("name", "rerank"):
        if not callable(getattr(plugin, method, None)):
            raise TypeError(f"{type(plugin).__name__} has no method {method}; a plugin needs name and rerank")
    name = _told(plugin, "name")
    version = _told(plugin, "version") if hasattr(plugin, "version") else ""
    if split_name(name)[1]:
        raise ValueError(f"the plugin's name is {name!r}; tell its version by version() and not in name()")
    if version:
        split_name(f"{name}@{version}")
    return PluginIdentity(name=name, version=version)


def is_listwise(plugin: object) -> bool:
    """Whether it scores a document by its neighbours."""
    return getattr(plugin, "listwise", False) is True


def hook(plugin: object, name: str) -> Callable[[], object] | None:
    """One of the methods that a plugin need not have."""
    method = getattr(plugin, name, None)
    return method if callable(method) else None


def _told(plugin: object, name: str) -> str:
    method = getattr(plugin, name)
    value = method() if callable(method) else method
    if inspect.iscoroutine(value):
        value.close()
    if not isinstance(value, str):
        raise TypeError(f"{name} of {type(plugin).__name__} gives a {type(value).__name__}, not a text")
    return value
