"""How the two ends of a call find each other: our addresses, and the servers that help (STUN, TURN).

A TURN server is given either a fixed user and password, or a secret that it shares with us, from which every
call gets a password of its own that expires (draft-uberti-behave-turn-rest-00, coturn's `use-auth-secret`).
Pure: time is an argument.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

CREDENTIAL_SECONDS = 3600  # an allocation that stands outlives its password


class BadIceServer(ValueError):
    """One line that says what was expected."""


@dataclass(frozen=True)
class IceServer:
    url: str
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True)
class Ice:
    """`host` is where the server listens: calls are offered that address, or all that it stands for.

    Of `servers`, URLs as in RFC 7064 and 7065, the first of each kind is used.
    """

    host: str = "127.0.0.1"
    servers: tuple[str, ...] = ()
    turn_username: str | None = None
    turn_password: str | None = None
    turn_secret: str | None = None

    def __post_init__(self) -> None:
        """Raises BadIceServer."""
        for url in self.servers:
            scheme, colon, where = url.partition(":")
            if scheme not in ("stun", "turn", "turns") or not colon or not where.strip("/"):
                raise BadIceServer(f"expected stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT, got {url!r}")
            if scheme != "stun" and not self.turn_secret and not (self.turn_username and self.turn_password):
                raise BadIceServer(f"{url} needs turn_secret, or turn_username and turn_password")

    def given(self, now: float) -> list[IceServer]:
        """The servers, with what this call may use them with. `now`: seconds since 1970."""
        name, password = self.turn_username, self.turn_password
        if self.turn_secret:
            name, password = short_lived(self.turn_secret, self.turn_username or "soundmind", now)
        return [
            IceServer(url) if url.startswith("stun:") else IceServer(url, name, password)
            for url in self.servers
        ]

    def addresses(self, interfaces: Sequence[str]) -> list[str]:
        """Those to be reached at. `interfaces`: the machine's addresses but for loopback."""
        host = {"localhost": "127.0.0.1", "": "0.0.0.0"}.get(self.host, self.host)
        try:
            address = ip_address(host)
        except ValueError:  # a name: of whichever of our addresses
            return list(interfaces)
        if not address.is_unspecified:
            return [host]
        every = ["127.0.0.1", *interfaces]
        return every if address.version == 6 else [one for one in every if ":" not in one]


def short_lived(secret: str, name: str, now: float) -> tuple[str, str]:
    """A user name that says when it expires, and the password for it."""
    user = f"{int(now) + CREDENTIAL_SECONDS}:{name}"
    digest = hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(digest).decode()
