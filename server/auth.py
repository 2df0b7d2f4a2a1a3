"""Who may connect: a bearer key where one is set, and no other site's page where none is.

A browser lets any page open a WebSocket to this machine, and CORS does not apply to it. So without a key a
connection that names an Origin must come from the server's own pages or from the loopback interface.
Pure: knows headers, not sockets.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

KEY_SUBPROTOCOL = "openai-insecure-api-key."  # how browsers, which cannot set headers, send their key


def refusal(key: str | None, headers: Mapping[str, str], subprotocols: Sequence[str] = ()) -> str | None:
    """Why a request may not come in, or None."""
    if key is None:
        return _foreign(headers)
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    offered = [bearer.strip()] if scheme.lower() == "bearer" else []
    offered += [s.removeprefix(KEY_SUBPROTOCOL) for s in subprotocols if s.startswith(KEY_SUBPROTOCOL)]
    if any(hmac.compare_digest(key.encode(), o.encode()) for o in offered):
        return None
    return "wrong API key" if offered else "expected an API key: Authorization: Bearer KEY"


def _foreign(headers: Mapping[str, str]) -> str | None:
    origin = headers.get("origin")
    if not origin:
        return None
    try:
        page = urlsplit(origin)
        if page.netloc and (page.netloc == headers.get("host") or is_loopback(page.hostname or "")):
            return None
    except ValueError:  # no URL at all
        pass
    return f"pages of {origin} may connect only with an API key, and this server has none set"


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
