"""Who may connect: those who know a key, or a secret that was made with one; and no other site's page.

A browser lets any page open a WebSocket to this machine, and CORS does not apply to it. So without a key a
connection that names an Origin must come from the server's own pages, from the loopback interface or from
one of the origins allowed. Where origins are named at all, the same goes for connections with a key.
A client secret (`ek_...`) is for a browser: it opens sessions until it expires, each with the session object
that it was made with, and makes no further ones. Pure: knows headers, not sockets; time is an argument.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

KEY_SUBPROTOCOL = "openai-insecure-api-key."  # how browsers, which cannot set headers, send their key
SECRET = "ek_"
MOST_SECRETS = 10_000  # that have not expired
ANYBODY = "anybody"


class Denied(Exception):
    """Not without another key (401), not from this page (403), or not now (503)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TooManySecrets(Exception):
    pass


@dataclass(frozen=True)
class Caller:
    """`account` names whose limits count, and tells nothing about the key."""

    account: str
    secret: bool = False
    session: Any = None  # the object that its secret was made with


@dataclass(frozen=True)
class Secret:
    caller: Caller
    expires_at: float  # seconds


class Doors:
    def __init__(self, keys: Sequence[str] = (), origins: Sequence[str] = ()) -> None:
        self._keys = tuple(keys)
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        self._secrets: dict[str, Secret] = {}

    def enter(self, headers: Mapping[str, str], subprotocols: Sequence[str], now: float) -> Caller:
        """Who it is. Raises Denied."""
        offered = list(_offered(headers, subprotocols))
        caller = self._known(offered, now)
        if caller is None and (self._keys or any(key.startswith(SECRET) for key in offered)):
            why = "wrong or expired API key" if offered else "expected an API key: Authorization: Bearer KEY"
            raise Denied(why, 401)
        origin = headers.get("origin")
        if origin and (caller is None or self._origins) and not self._ours(origin, headers.get("host")):
            raise Denied(f"pages of {origin} may not connect: they are not among the origins allowed", 403)
        return caller or Caller(ANYBODY)

    def _known(self, offered: Sequence[str], now: float) -> Caller | None:
        for key in offered:
            secret = self._secrets.get(key)
            if secret is not None and now < secret.expires_at:
                return secret.caller
            for known in self._keys:
                if hmac.compare_digest(known.encode(), key.encode()):
                    return Caller(hashlib.sha256(known.encode()).hexdigest())
        return None

    def welcomes(self, origin: str, host: str | None) -> bool:
        """Whether that page may try, as a browser asks before it sends a key (CORS)."""
        return (bool(self._keys) and not self._origins) or self._ours(origin, host)

    def _ours(self, origin: str, host: str | None) -> bool:
        if origin in self._origins or "*" in self._origins:
            return True
        try:
            page = urlsplit(origin)
            return bool(page.netloc) and (page.netloc == host or is_loopback(page.hostname or ""))
        except ValueError:  # no URL at all
            return False

    def strange(self, headers: Mapping[str, str], subprotocols: Sequence[str]) -> str | None:
        """A client secret that is offered and not known here: another server may have made it."""
        offered = (key for key in _offered(headers, subprotocols) if key.startswith(SECRET))
        return next((key for key in offered if key not in self._secrets), None)

    def learn(self, value: str, secret: Secret, now: float) -> None:
        """One that another server has made."""
        self._forget(now)
        self._secrets[value] = secret

    def _forget(self, now: float) -> None:
        """Those that have expired."""
        self._secrets = {value: s for value, s in self._secrets.items() if now < s.expires_at}

    def secret(self, value: str) -> Secret:
        """One that is known here."""
        return self._secrets[value]

    def make_secret(self, caller: Caller, session: object, expires_at: float, now: float) -> str:
        """Raises Denied for who has but a secret, and TooManySecrets."""
        if caller.secret:
            raise Denied("a client secret makes no client secrets: use the API key", 401)
        self._forget(now)
        if len(self._secrets) >= MOST_SECRETS:
            raise TooManySecrets(f"{MOST_SECRETS} client secrets have not expired yet: make one later")
        value = SECRET + secrets.token_hex(16)
        self._secrets[value] = Secret(Caller(caller.account, True, session), expires_at)
        return value


def _offered(headers: Mapping[str, str], subprotocols: Sequence[str]) -> Iterator[str]:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield bearer.strip()
    for name in subprotocols:
        if name.startswith(KEY_SUBPROTOCOL):
            yield name.removeprefix(KEY_SUBPROTOCOL)


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
