"""Lets a call in, or says why not."""

from __future__ import annotations

import hmac
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

from pydantic import SecretStr

from rerankd.access.key_file import digest_of
from rerankd.access.keyring import Keyring
from rerankd.access.operations import Need, Operations, Page, Scope
from rerankd.core.errors import ForbiddenError, UnauthenticatedError
from rerankd.core.quota import Quota
from rerankd.core.types import Caller
from rerankd.telemetry.calls import note_key

_SCHEME = "bearer "
_LONGEST_TOKEN = 4096
EVERY_PAGE = frozenset(Page)

ADMIN_TOKEN_NAME = "admin.token"  # noqa: S105 - a name
PROBE_NAME = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a call is from."""

    name: str = ""
    """Of the key; empty for a caller without one."""
    scopes: frozenset[Scope] = frozenset()
    models: tuple[str, ...] | None = None
    quota: Quota | None = None

    def caller(self, peer: str, deadline: float | None) -> Caller:
        """The caller as the engine knows it; `peer` stands for callers without a key."""
        return Caller(client=self.name or peer, deadline=deadline, models=self.models, quota=self.quota)

    def actor(self, where: str) -> str:
        """Who made a change, for the audit log; `where` is the door and the address."""
        return f"{where} with the key {self.name}" if self.name else where


ANYBODY = Identity()
_PROBE = Identity(name=PROBE_NAME, scopes=frozenset({Scope.RERANK}))
_ADMIN = Identity(name=ADMIN_TOKEN_NAME, scopes=frozenset({Scope.ADMIN}))

identity: ContextVar[Identity] = ContextVar("identity", default=ANYBODY)
"""Who the running call is from; set by the doors when `admit` has let it in."""


class Access:
    """Decides about each call, once, at the door.

    Attributes:
        probe_token: What the server's own warm-up probe shows; another one in each process.
    """

    def __init__(
        self,
        keyring: Keyring | None = None,
        admin_token: SecretStr | None = None,
        *,
        open_pages: frozenset[Page] = EVERY_PAGE,
        operations: Operations | None = None,
    ) -> None:
        """Decides by keys, or without a keyring lets everybody in.

        Args:
            keyring: The keys; None = whatever is not guarded is open.
            admin_token: Good for the scope admin; None or an empty one = there is none.
            open_pages: What needs no key.
            operations: What calls need; None = the service's own table.
        """
        self._keyring = keyring
        token = admin_token.get_secret_value() if admin_token is not None else ""
        self._admin_digest = digest_of(token) if token else None
        self._open_pages = open_pages
        self._operations = operations or Operations()
        self.probe_token = secrets.token_urlsafe(32)
        self._probe_digest = digest_of(self.probe_token)

    @property
    def is_open(self) -> bool:
        """Whether anybody may rerank."""
        return self._keyring is None

    def enter(self, operation: str, authorization: str | None, *, private: bool = False) -> Identity:
        """Lets a call in and remembers who it is from, for the task that answers it.

        Args:
            operation: What is called, in the words of the table.
            authorization: The value of the header or metadata of this name.
            private: Whether it came by the way that is the probe's alone.

        Raises:
            UnauthenticatedError: A key is needed, and there is none or one that is not known.
            ForbiddenError: The key is not for this.
        """
        admitted = self._admit(self._operations.need_of(operation), _token_of(authorization), private)
        identity.set(admitted)
        return admitted

    def _admit(self, need: Need, token: str | None, private: bool) -> Identity:
        if token is not None and hmac.compare_digest(digest_of(token), self._probe_digest):
            return _allowed(_PROBE, need)
        if private:
            raise UnauthenticatedError("this way in is the server's own")
        if need.public or need.page in self._open_pages:
            return ANYBODY
        if self._keyring is None and not need.guarded:
            return ANYBODY
        if self._keyring is None:
            return self._with_admin_token(token)
        if token is None:
            raise UnauthenticatedError("send a key as `authorization: Bearer <key>`")
        return _allowed(self._known(self._keyring, token), need)

    def _known(self, keyring: Keyring, token: str) -> Identity:
        key = keyring.find(token)
        if key is not None:
            return Identity(name=key.name, scopes=key.scopes, models=key.models, quota=key.quota)
        if self._is_admin_token(token):
            return _ADMIN
        raise UnauthenticatedError("this key is not known here")

    def _with_admin_token(self, token: str | None) -> Identity:
        """A change on a server without keys."""
        if self._admin_digest is None:
            raise ForbiddenError(
                "this server has no admin token, so nobody may change its configuration; "
                "set admin.token, or auth.keys_file with a key of the scope admin, and restart it"
            )
        if token is None:
            raise UnauthenticatedError("send the admin token as `authorization: Bearer <token>`")
        if not self._is_admin_token(token):
            raise UnauthenticatedError("this is not the admin token of this server")
        note_key(_ADMIN.name)
        return _ADMIN

    def _is_admin_token(self, token: str) -> bool:
        # Digests have one length, so that the time of the comparison says nothing of the token's.
        return self._admin_digest is not None and hmac.compare_digest(digest_of(token), self._admin_digest)


def _allowed(who: Identity, need: Need) -> Identity:
    # Before it is decided: who is refused is told of by name as well.
    note_key(who.name)
    if need.scopes and not need.scopes & who.scopes:
        wanted = " or ".join(sorted(need.scopes))
        raise ForbiddenError(
            f"the key {who.name} is not for this; it needs the scope {wanted}",
            metadata={"key": who.name, "scope": wanted},
        )
    return who


def _token_of(authorization: str | None) -> str | None:
    """The token of a header; None where there is no header, "" for a header without a bearer token."""
    if not authorization:
        return None
    if authorization[: len(_SCHEME)].lower() != _SCHEME or len(authorization) > _LONGEST_TOKEN:
        return ""
    return authorization[len(_SCHEME) :].strip()
