"""The Hugging Face Hub as this package uses it: one listing, plain downloads, errors in our words.

The only module that touches huggingface_hub, which takes a while to import and is therefore
imported at the first use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from rerankd.artifacts.disk import DISK_ERRORS, unwritable
from rerankd.artifacts.snapshot import RemoteFile, Snapshot, folder_name
from rerankd.core.errors import ModelFailedError, ModelNotFoundError, RerankdError

DEFAULT_ENDPOINT = "https://huggingface.co"

_TIMEOUT_SECONDS = 10.0
"""For the first byte of an answer; the same as huggingface_hub's own."""
_RETRY_SECONDS = 10.0
"""An outage of the Hub or of the way to it usually lasts longer than the registry's first back-off."""

# The Hub writes licences in lower case; these are the SPDX ids that differ from that.
_SPDX = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
    "cc0-1.0": "CC0-1.0",
    "gpl-3.0": "GPL-3.0-only",
    "agpl-3.0": "AGPL-3.0-only",
}

OnBytes = Callable[[int], None]
"""Told how many more bytes have arrived; negative when a server sends a file anew."""


def offline_by_environment() -> bool:
    """Whether `HF_HUB_OFFLINE` is set, read now and not when huggingface_hub was imported."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


class Hub:
    """Access to the repositories of `HF_ENDPOINT`; safe for many threads and processes at once."""

    def __init__(self, cache_dir: Path, token: str | None) -> None:
        self._cache_dir = cache_dir
        self._token = token

    @property
    def endpoint(self) -> str:
        """Read at every call: huggingface_hub reads it once, at import."""
        return os.environ.get("HF_ENDPOINT", "").rstrip("/") or DEFAULT_ENDPOINT

    def snapshot(self, model: str, repository: str, revision: str) -> Snapshot:
        """What the repository holds at a commit, tag or branch; one request.

        Raises:
            ModelNotFoundError: There is no such repository or revision.
            ModelFailedError: The Hub refuses or cannot be reached.
        """
        with self._in_our_words(model, repository, revision):
            from huggingface_hub import HfApi

            api = HfApi(endpoint=self.endpoint, token=self._token, library_name="rerankd")
            info = api.model_info(
                repository, revision=revision, files_metadata=True, timeout=_TIMEOUT_SECONDS
            )
            if info.sha is None or info.siblings is None:
                raise _unreachable(model, self.endpoint, "the answer is not one of a Hub")
            files = {
                s.rfilename: RemoteFile(
                    path=s.rfilename,
                    size=s.size or 0,
                    sha256=s.lfs.sha256 if s.lfs else "",
                    git_sha1="" if s.lfs else s.blob_id or "",
                )
                for s in info.siblings
            }
            return Snapshot(
                repository=repository, commit=info.sha, license=_license(info.tags or []), files=files
            )

    def download(self, model: str, snapshot: Snapshot, file: RemoteFile, on_bytes: OnBytes) -> Path:
        """The file in the Hub's cache, fetched if it is not there.

        A broken connection is taken up again where it broke, a few times; processes that want the
        same file wait for one another.

        Raises:
            ModelFailedError: The Hub refuses or cannot be reached.
        """
        with self._in_our_words(model, snapshot.repository, snapshot.commit):
            from huggingface_hub import hf_hub_download

            path = hf_hub_download(
                snapshot.repository,
                file.path,
                revision=snapshot.commit,
                cache_dir=self._cache_dir,
                endpoint=self.endpoint,
                token=self._token,
                library_name="rerankd",
                etag_timeout=_TIMEOUT_SECONDS,
                tqdm_class=cast("Any", _bar_class(on_bytes)),
            )
            return Path(path)

    def discard(self, snapshot: Snapshot, file: RemoteFile) -> None:
        """Deletes a file of the cache, and the blob behind it, so that it will be fetched anew."""
        repository = f"models--{folder_name(snapshot.repository)}"
        path = self._cache_dir / repository / "snapshots" / snapshot.commit / file.path
        blob = path.resolve()
        with suppress(FileNotFoundError):
            path.unlink()
        # Only below the cache: in a cache without links the two are one, and a foreign one may link out.
        if blob.is_relative_to(self._cache_dir.resolve()):
            blob.unlink(missing_ok=True)

    @contextmanager
    def _in_our_words(self, model: str, repository: str, revision: str) -> Iterator[None]:
        try:
            yield
        except RerankdError:
            raise
        except ImportError as error:
            raise ModelFailedError(
                "downloads need huggingface_hub; install it with: pip install 'rerankd[server]'",
                metadata={"model": model},
            ) from error
        except Exception as error:
            raise self._translate(error, model, repository, revision) from error

    def _translate(self, error: Exception, model: str, repository: str, revision: str) -> Exception:
        """The failure in terms of the model; unknown kinds are returned as they are."""
        from huggingface_hub import errors as hub

        if isinstance(error, hub.GatedRepoError | hub.DisabledRepoError):
            return _refused(model, repository, "asks its users to accept terms, or is disabled")
        if isinstance(error, hub.RepositoryNotFoundError):
            return ModelNotFoundError(
                f"the Hub has no repository {repository}, or it is private and models.hub_token is missing",
                metadata={"model": model, "repository": repository},
            )
        if isinstance(error, hub.RevisionNotFoundError):
            return ModelNotFoundError(
                f"repository {repository} has no revision {revision}; correct models.revisions",
                metadata={"model": model, "repository": repository, "revision": revision},
            )
        if isinstance(error, hub.HfHubHTTPError) and error.response is not None:
            status = error.response.status_code
            if status in (401, 403):
                return _refused(model, repository, f"refuses access (HTTP {status})")
            return _unreachable(model, self.endpoint, f"HTTP {status}")
        if isinstance(error, hub.OfflineModeIsEnabled):
            return offline(model)
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            return unwritable(model, error)
        # HfHubHTTPError derives from the base class of the HTTP library, httpx or httpx2 by version.
        if isinstance(error, (hub.HfHubHTTPError.__bases__[0], hub.FileMetadataError, OSError)):
            return _unreachable(model, self.endpoint, type(error.__cause__ or error).__name__)
        return error


def offline(model: str) -> ModelFailedError:
    """The failure of a model that would have to be downloaded where that is forbidden."""
    return ModelFailedError(
        f"model {model} is not in the cache, and this server is offline; where there is a network run "
        f"`rerankd models pull {model}` with the same cache directory",
        metadata={"model": model},
    )


def _refused(model: str, repository: str, reason: str) -> ModelFailedError:
    return ModelFailedError(
        f"repository {repository} {reason}; set models.hub_token (or HF_TOKEN) to the token of an "
        "account that may read it",
        metadata={"model": model, "repository": repository},
    )


def _unreachable(model: str, endpoint: str, reason: str) -> ModelFailedError:
    return ModelFailedError(
        f"cannot reach the Hub at {endpoint}: {reason}",
        metadata={"model": model, "endpoint": endpoint},
        retry_after_seconds=_RETRY_SECONDS,
    )


def _license(tags: list[str]) -> str:
    name = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), "")
    return _SPDX.get(name, name)


def _bar_class(on_bytes: OnBytes) -> type:
    """A progress bar that draws nothing: the part of tqdm's interface that the downloads use.

    Downloads over Xet count twice, what the network brought and what is on disk; only `update`, the
    latter, goes on to `on_bytes`.
    """

    class Bar:
        def __init__(self, *_: object, total: int | None = None, initial: int = 0, **__: object) -> None:
            self.total = total
            self.n = initial
            self.format_dict: dict[str, object] = {}

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: float | None = 1) -> None:
            self.n += int(count or 0)
            on_bytes(int(count or 0))

        def _ignore(self, *_: object, **__: object) -> None:
            pass

        update_transfer = set_postfix_str = set_transfer_postfix_str = refresh = close = _ignore

    return Bar
