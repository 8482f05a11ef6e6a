"""The use case: read and change how requests are reranked that do not say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rerankd.config import Config, ConfigError, RerankingConfig
from rerankd.config.settings import leaves
from rerankd.core.engine import Engine
from rerankd.core.errors import (
    InternalError,
    InvalidRequestError,
    ModelLoadingError,
    ModelNotFoundError,
    RerankdError,
    draining,
)
from rerankd.reconfiguration.changes import NameOf, changed, differences, in_file
from rerankd.reconfiguration.policy import default_model_of, policy_of
from rerankd.reconfiguration.state import StateFile

logger = logging.getLogger(__name__)
audit = logging.getLogger("rerankd.audit")
"""One line for each accepted change."""
# Whatever `log.level` says: a change that nobody can find afterwards is worse than a line too many.
audit.setLevel(logging.INFO)

_DECIDES = {"none": "mode", "local": "local_model", "learning": "learning_model", "cloud": "cloud_model"}
"""Mode to the field that names its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What holds for calls that begin now."""

    section: RerankingConfig
    default_model: str
    """Id of the model that scores requests that name none; empty where that name is not known."""
    generation: int
    """Changes since the server started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What became of reading the configuration again."""

    changed: tuple[str, ...] = ()
    """Keys whose new values hold from now on."""
    need_restart: tuple[str, ...] = ()
    """Keys that have other values now, which hold only after a restart."""
    problems: tuple[str, ...] = ()
    """Why nothing was changed."""


class Reconfiguration:
    """Changes the engine's policy, one change at a time, all of it or nothing.

    Lives on the engine's event loop. Calls that begin after a change use it; calls under way end as they
    began.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        *,
        base: RerankingConfig | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        """Starts with what the engine was built from.

        Args:
            config: The configuration in force, with what was kept in the state file.
            engine: Ranks by it.
            base: Its section `reranking` without what was kept; None = nothing was.
            reread: Reads flags, environment and file again, without the state file; may block. None = they
                cannot be read again.
        """
        self._config = config
        self._engine = engine
        self._base = base or config.reranking
        self._reread = reread
        self._section = config.reranking
        self._generation = engine.policy.generation
        path = config.admin.state_file
        self._state = StateFile(path) if path is not None else None
        self._lock = asyncio.Lock()
        self._reloads: set[asyncio.Task[Reloaded]] = set()

    def current(self) -> Current:
        """What holds now."""
        return Current(
            section=self._section, default_model=self._default_id() or "", generation=self._generation
        )

    async def update(
        self,
        changes: Mapping[str, object],
        *,
        actor: str,
        persist: bool = False,
        name_of: NameOf = in_file,
    ) -> Current:
        """Changes some fields, all or none of them.

        A model that becomes the default or a stand-in is loaded first, so that no call waits for it.

        Args:
            changes: Field of the section to its new value; None = back to its default.
            actor: Who asked for it, for the audit log.
            persist: Whether the change outlives the process.
            name_of: How the caller names a field, for messages.

        Raises:
            InvalidRequestError: A field is unknown, or a value out of its bounds; or there is no file to
                keep the change in.
            ModelNotFoundError: A model that the change names is not offered here.
            RerankdError: A model that is to be loaded cannot be, for the reason that is told.
        """
        if persist and self._state is None:
            raise InvalidRequestError(
                "this server has no file to keep changes in; set admin.state_file, or change without persist",
                field="persist",
            )
        async with self._lock:
            section = changed(self._section, changes, name_of)
            await self._make_ready(section, changes, name_of)
            keep = {field: getattr(section, field) for field in changes} if persist else None
            await self._uncancelled(section, actor=actor, keep=keep)
            return self.current()

    async def reload(self, reason: str = "SIGHUP") -> Reloaded:
        """Reads flags, environment, file and state file again; what they say wins over unkept changes.

        Only the section `reranking` takes effect. What cannot be used is logged, and nothing changes.
        """
        async with self._lock:
            try:
                given, section = await self._read_again()
                changes = differences(self._section, section)
                await self._make_ready(section, changes, in_file)
                if changes:
                    await self._uncancelled(section, actor=reason)
            except ConfigError as error:
                return _not_reloaded(error.problems)
            except RerankdError as error:
                return _not_reloaded([f"{error.spec.reason}: {error.message}"])
            self._base = given.reranking
        outcome = Reloaded(
            changed=tuple(map(in_file, changes)), need_restart=tuple(_differing(self._config, given))
        )
        for key in outcome.need_restart:
            logger.warning("a changed setting holds only after a restart", extra={"key": key})
        logger.info("configuration reloaded", extra={"changed": list(outcome.changed)})
        return outcome

    def reload_soon(self, reason: str = "SIGHUP") -> None:
        """Begins to reload; for a handler of signals, which cannot wait."""
        task = asyncio.create_task(self.reload(reason), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloaded)

    async def close(self) -> None:
        """Abandons reloads under way."""
        for task in self._reloads:
            task.cancel()
        await asyncio.gather(*self._reloads, return_exceptions=True)

    def _reloaded(self, task: asyncio.Task[Reloaded]) -> None:
        self._reloads.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("configuration not reloaded", exc_info=error)

    async def _read_again(self) -> tuple[Config, RerankingConfig]:
        """The configuration as a restart would find it, and its section with what was kept."""
        if self._reread is None:
            raise ConfigError(["this process cannot read its configuration again; restart it"])
        given = await asyncio.to_thread(self._reread)
        if self._state is None:
            return given, given.reranking
        return given, await asyncio.to_thread(self._state.apply, given.reranking)

    async def _make_ready(self, section: RerankingConfig, changes: Collection[str], name_of: NameOf) -> None:
        """Sees to it that the models are there that a change names, and loaded those that calls may need."""
        registry = self._engine.registry
        needed: dict[str, str] = {}
        for field, name in _named(section, changes):
            with _about(field, name_of):
                model_id = registry.canonical(name)
            if field.startswith("fallback_models"):
                needed[field] = model_id
        default = default_model_of(section)
        if default != default_model_of(self._section):
            fields = (_DECIDES[section.mode], "cloud_provider", "mode")
            field = next((field for field in fields if field in changes), "mode")
            with _about(field, name_of):
                needed[field] = registry.id_of_default(default)
        for field, model_id in needed.items():
            with _about(field, name_of):
                await self._load(model_id)

    async def _load(self, model_id: str) -> None:
        task = self._engine.registry.start(model_id)
        if task is None:
            return
        try:
            async with asyncio.timeout(self._config.warmup.timeout_seconds):
                # Shielded: the load may be what others wait for.
                await asyncio.shield(task)
        except TimeoutError:
            raise ModelLoadingError(
                "the model is still loading, and nothing is changed yet; ask again when it is loaded",
                metadata={"model": model_id},
                retry_after_seconds=5.0,
            ) from None
        except asyncio.CancelledError:
            if task.cancelled():
                raise draining() from None
            raise

    async def _uncancelled(
        self, section: RerankingConfig, *, actor: str, keep: Mapping[str, object] | None = None
    ) -> None:
        """Commits to the end even if the caller leaves: the file and the policy must agree."""
        commit = asyncio.create_task(self._commit(section, actor, keep), name="reconfigure")
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError:
            await asyncio.wait([commit])
            raise

    async def _commit(self, section: RerankingConfig, actor: str, keep: Mapping[str, object] | None) -> None:
        if keep is not None and self._state is not None:
            try:
                await asyncio.to_thread(self._state.keep, keep, self._base)
            except (OSError, ConfigError) as error:
                raise InternalError(
                    "the change could not be kept, so nothing is changed; the operator's log has the cause"
                ) from error
        changes = differences(self._section, section)
        if changes:
            self._generation += 1
            self._section = section
            self._engine.adopt(policy_of(section, self._generation))
        audit.info(
            "reranking configuration changed",
            extra={
                "actor": actor,
                "changes": {field: {"old": old, "new": new} for field, (old, new) in changes.items()},
                "persisted": keep is not None,
                "generation": self._generation,
            },
        )

    def _default_id(self) -> str | None:
        try:
            return self._engine.registry.canonical("")
        except ModelNotFoundError:
            return None


@contextmanager
def _about(field: str, name_of: NameOf) -> Iterator[None]:
    """Lets an error about a model name the field that named the model."""
    try:
        yield
    except RerankdError as error:
        name, bracket, position = field.partition("[")
        path = f"{name_of(name)}{bracket}{position}"
        raise type(error)(
            f"{path}: {error.message}",
            field=path,
            metadata=error.metadata,
            retry_after_seconds=error.retry_after_seconds,
        ) from error


def _named(section: RerankingConfig, changes: Collection[str]) -> Iterator[tuple[str, str]]:
    """Field and name of each model that a change names."""
    for field in ("local_model", "learning_model"):
        if field in changes and (name := getattr(section, field)):
            yield field, name
    if "cloud_model" in changes and section.cloud_model:
        yield "cloud_model", f"{section.cloud_provider}/{section.cloud_model}"
    if "fallback_models" in changes:
        for position, name in enumerate(section.fallback_models):
            yield f"fallback_models[{position}]", name


def _differing(old: Config, new: Config) -> Iterator[str]:
    """Keys outside of the section whose values differ; never the values, which may be secret."""
    for key, _ in leaves():
        if not key.startswith("reranking.") and _value(old, key) != _value(new, key):
            yield key


def _value(config: Config, key: str) -> object:
    value: object = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _not_reloaded(problems: Sequence[str]) -> Reloaded:
    for problem in problems:
        logger.error("configuration not reloaded", extra={"problem": problem})
    return Reloaded(problems=tuple(problems))
