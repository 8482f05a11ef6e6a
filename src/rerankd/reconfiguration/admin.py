"""Who may change the configuration: whoever brings the operator's token."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr

from rerankd.core.errors import ForbiddenError, UnauthenticatedError

_SCHEME = "bearer "


class Admin:
    """Knows the admin token, and never tells it."""

    def __init__(self, token: SecretStr | None) -> None:
        """`token`: None or an empty one = nobody may change anything."""
        text = token.get_secret_value() if token is not None else ""
        self._digest = _digest(text) if text else None

    def check(self, authorization: str | None) -> None:
        """Returns if the value of an `authorization` header is the token's.

        Raises:
            ForbiddenError: This server has no admin token.
            UnauthenticatedError: There is no token in the header, or a wrong one.
        """
        if self._digest is None:
            raise ForbiddenError(
                "this server has no admin token, so nobody may change its configuration; "
                "set admin.token and restart it"
            )
        if not authorization:
            raise UnauthenticatedError("send the admin token as `authorization: Bearer <token>`")
        given = authorization[len(_SCHEME) :].strip()
        # Digests have one length, so that the time of the comparison says nothing of the token's.
        right = hmac.compare_digest(_digest(given), self._digest)
        if not authorization.lower().startswith(_SCHEME) or not right:
            raise UnauthenticatedError("this is not the admin token of this server")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
