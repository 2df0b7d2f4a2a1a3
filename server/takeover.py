"""A conversation that another server has kept, taken over by this one.

It is looked at first, and taken only once there is a place for it: a server that cannot have it leaves it to
others. Knows no sockets.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from server.connection import Host, Taking
from server.keeper import Keeper
from server.kept import BadRecord, Kept
from server.limits import Account
from server.protocol import ProtocolError
from server.resume import UNKNOWN, ResumeFailed
from server.server_events import Narrator
from server.store import Logged, StoreError

logger = logging.getLogger("soundmind")


async def look(host: Host, account: Account, token: str) -> tuple[Kept, tuple[Logged, ...]]:
    """What there is, and the events that were told. Raises ResumeFailed."""
    if host.store is None:
        raise ResumeFailed(UNKNOWN)
    try:
        found = await Keeper(host.store, token, host.resume_seconds).look()
    except (StoreError, BadRecord) as error:
        logger.error("%s", error)
        raise ResumeFailed(
            "the conversation cannot be had now: try again, or begin another session"
        ) from error
    if found is None or found[0].account != account.name:
        raise ResumeFailed(UNKNOWN)
    try:
        host.served(found[0].session.model)
    except ProtocolError as error:
        raise ResumeFailed(error.message) from error
    return found


async def take(host: Host, token: str) -> tuple[Taking, tuple[Logged, ...]]:
    """The same, and from now on it is this server's. Raises ResumeFailed."""
    assert host.store is not None
    keeper = Keeper(host.store, token, host.resume_seconds)
    try:
        found = await keeper.claim()
    except (StoreError, BadRecord) as error:
        logger.error("%s", error)
        raise ResumeFailed(
            "the conversation cannot be had now: try again, or begin another session"
        ) from error
    if found is None:
        raise ResumeFailed(UNKNOWN)
    kept, events = found
    session = replace(kept.session, model=host.served(kept.session.model), voices=host.voices)
    return Taking(replace(aged(kept), session=session), keeper), events


def restored(kept: Kept) -> Narrator:
    """Who goes on telling it."""
    return Narrator.restored(kept.narrated, [item for turn in kept.snapshot.turns for item in turn.items])


def left(kept: Kept) -> float | None:
    """Seconds that the session may still last; None where there is no limit."""
    ends = kept.session.expires_at
    return None if ends is None else max(0.0, ends - time.time())


def aged(kept: Kept) -> Kept:
    """With the time since it was kept in what its timings count from."""
    since = max(0.0, time.time() - kept.saved_at)
    making, asides = kept.snapshot.making, kept.snapshot.asides
    making = None if making is None else replace(making, age=making.age + since)
    asides = tuple(replace(aside, age=aside.age + since) for aside in asides)
    return replace(kept, snapshot=replace(kept.snapshot, making=making, asides=asides))
