"""Changes that outlive the process: a small JSON file that wins over flags, environment and file."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rerankd.config import Config, ConfigError, RerankingConfig
from rerankd.core.errors import InvalidRequestError
from rerankd.reconfiguration.changes import changed

_SECTION = "reranking"


class StateFile:
    """The file that `admin.state_file` names: `{"reranking": {"mode": "cloud", ...}}`.

    It is this server's alone: two processes that share one overwrite each other's changes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, object]:
        """What was kept, by field; nothing where the file does not exist.

        Raises:
            ConfigError: It cannot be read, or is not what this class writes.
        """
        try:
            kept = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        except (ValueError, RecursionError) as error:
            raise self._unusable("it is not valid JSON") from error
        values = kept.get(_SECTION) if isinstance(kept, dict) and len(kept) == 1 else None
        if not isinstance(values, dict):
            raise self._unusable(f'it must be an object with the one key "{_SECTION}"')
        return values

    def apply(self, section: RerankingConfig) -> RerankingConfig:
        """A section with what was kept on top.

        Raises:
            ConfigError: As `read`, or the result is not valid.
        """
        return self.over(section, self.read())

    def over(self, section: RerankingConfig, kept: Mapping[str, object]) -> RerankingConfig:
        """A section with what `read` gave on top; raises ConfigError where the result is not valid."""
        try:
            return changed(section, kept)
        except InvalidRequestError as error:
            raise self._unusable(error.message) from error

    def keep(self, values: Mapping[str, object], base: RerankingConfig) -> None:
        """Adds values to what is kept; a crash leaves the file as it was or as it becomes. Blocks.

        Raises:
            InvalidRequestError: On top of `base`, what flags, environment and file say, the result would
                not be valid, so that the next start would fail.
            ConfigError: The file that is there cannot be used.
            OSError: It cannot be written.
        """
        kept = self.read() | dict(values)
        try:
            changed(base, kept)
        except InvalidRequestError as error:
            raise InvalidRequestError(
                f"the change cannot be kept, for the next start would find {error.message}; "
                "let the other changes that it needs be kept with it",
                field="persist",
            ) from None
        self._write(json.dumps({_SECTION: kept}, indent=2, ensure_ascii=False).encode() + b"\n")

    def _write(self, content: bytes) -> None:
        directory = self._path.parent
        # Made with mode 0600 by mkstemp.
        descriptor, name = tempfile.mkstemp(dir=directory, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        # The new name is on disk only when its directory is.
        folder = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError([f"admin.state_file {self._path}: {why}; repair or delete it"])


def with_state(config: Config) -> Config:
    """The configuration with the changes of earlier runs that were kept.

    Raises:
        ConfigError: The state file cannot be used.
    """
    path = config.admin.state_file
    if path is None:
        return config
    file = StateFile(path)
    kept = file.read()
    return config.with_reranking(file.over(config.reranking, kept), kept)
