"""Failures of the disk under the model cache, in words that an operator can act on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from rerankd.core.errors import ModelFailedError

DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}
)
"""What a file system says when it takes no more; nothing of a network fails with one of these."""


def unwritable(model: str, error: OSError) -> ModelFailedError:
    """The failure of a model whose files have no place on the disk."""
    return ModelFailedError(
        f"the model cache cannot be written: {os.strerror(error.errno or 0)}; see models.cache_dir",
        metadata={"model": model},
    )


@contextmanager
def writing_to_cache(model: str) -> Iterator[None]:
    """Raises ModelFailedError for what the disk refuses inside."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise unwritable(model, error) from error
