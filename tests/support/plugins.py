"""Plugins of several kinds, small enough to be known by heart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np


def plugin_score(query: str, text: str) -> float:
    """Shared words, less a little for length; no probability."""
    return 3.0 * len(set(query.split()) & set(text.split())) - 0.5 * len(text)


class AsyncPlugin:
    """All five methods, in the style that other servers of plugins know."""

    def __init__(self, name: str = "shared-words", version: str = "1.2.0") -> None:
        self._name, self._version = name, version
        self.events: list[str] = []
        self.threads: set[str] = set()

    def name(self) -> str:
        return self._name

    def version(self) -> str:
        return self._version

    def initialize(self) -> None:
        self.events.append("initialize")

    def shutdown(self) -> None:
        self.events.append("shutdown")

    async def rerank(self, query: str, documents: list[str]) -> list[float]:
        self.threads.add(threading.current_thread().name)
        await asyncio.sleep(0)
        return [plugin_score(query, document) for document in documents]


class BlockingPlugin:
    """Only what a plugin has to have, and arrays instead of lists."""

    def name(self) -> str:
        return "blocking"

    def rerank(self, query: str, documents: list[str]) -> Any:
        return np.array([plugin_score(query, document) for document in documents], dtype=np.float32)


class Answering:
    """Answers what it is told to."""

    def __init__(self, answer: Callable[[str, list[str]], Any], name: str = "answering") -> None:
        self._answer, self._name = answer, name

    def name(self) -> str:
        return self._name

    async def rerank(self, query: str, documents: list[str]) -> Any:
        return self._answer(query, documents)
