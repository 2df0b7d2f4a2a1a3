"""Client secrets in the store that servers share: one that a server has made opens sessions at any of them.

What is kept under a secret's digest is whose it is, and the session object that it was made with; it expires
with the secret. Each server keeps in memory the secrets that it has made or has once found. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
import logging

from pydantic import BaseModel, ConfigDict, ValidationError

from server import client_events as ce
from server.auth import Caller, Secret
from server.store import Change, Store, StoreError

FIELD, OWNER = "secret", "client secret"

logger = logging.getLogger("soundmind")


class Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    account: str
    session: ce.Session
    expires_at: float


def key_of(value: str) -> str:
    """Under which it is kept: who reads the store does not learn it, and no token is mistaken for it."""
    return hashlib.sha256(f"{OWNER} {value}".encode()).hexdigest()


async def keep(store: Store, value: str, secret: Secret, now: float) -> None:
    """Where the store fails, the secret is good at this server alone, which the log says."""
    kept = Kept(account=secret.caller.account, session=secret.caller.session, expires_at=secret.expires_at)
    change = Change({FIELD: kept.model_dump_json(exclude_unset=True).encode()})
    try:
        await store.save(key_of(value), OWNER, change, secret.expires_at - now)
    except StoreError as error:
        logger.error("a client secret is not kept: %s", error)


async def find(store: Store, value: str) -> Secret | None:
    """None where there is none, or no more. Raises StoreError."""
    record = await store.load(key_of(value))
    if record is None:
        return None
    try:
        kept = Kept.model_validate_json(record.fields[FIELD])
    except (KeyError, ValidationError) as error:
        logger.error("a client secret that was kept cannot be read (%s)", type(error).__name__)
        return None
    return Secret(Caller(kept.account, True, kept.session), kept.expires_at)
