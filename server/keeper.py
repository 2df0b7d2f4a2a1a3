"""Keeps one conversation in a store, always before its client is told: what a client knows, a successor does.

Only what has changed is written. A store that fails does not stop the conversation: it goes on unkept, which
the log says, and is tried again some seconds later with all that was missed. Time is that of the event loop.
Knows no sockets and no session, but what one looks like.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence

from server.kept import (
    HEAD,
    SAVED_AT,
    Kept,
    audio_field,
    head,
    heard_field,
    heard_pcm,
    pcm,
    read,
    turn_field,
    written,
)
from server.store import Change, Logged, Store, StoreError
from streaming.snapshot import Turn

LOOK_SECONDS = 0.5  # between two looks at a conversation of which nothing is told: audio comes in
RENEW_SECONDS = 5.0  # a record that does not change is written again, so that it does not expire
RETRY_SECONDS = 5.0  # after the store has failed

logger = logging.getLogger("soundmind")


def key_of(token: str) -> str:
    """Under which a conversation is kept: whoever reads the store does not learn the token."""
    return hashlib.sha256(token.encode()).hexdigest()


def once(events: Sequence[Logged]) -> tuple[Logged, ...]:
    """A write whose confirmation was lost is repeated."""
    return tuple(dict(events).items())


class Keeper:
    """`seconds`: that the conversation is kept once nobody writes any more."""

    def __init__(
        self,
        store: Store,
        token: str,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._key, self._owner = store, key_of(token), secrets.token_hex(8)
        self._seconds = seconds + RENEW_SECONDS
        self._clock = clock
        self._turns: dict[str, Turn] = {}  # that are written, by their first items
        self._audio: set[str] = set()  # of turns, that is written
        self._heard: list[str] = []  # fields of the turn that is being spoken
        self._blocks = 0  # of it that are in them
        self._hearing = ""  # its id
        self._head = b""
        self._unwritten: list[Logged] = []
        self._next = 0.0  # when a record without a change is written again
        self._failed_until = 0.0

    async def look(self) -> tuple[Kept, tuple[Logged, ...]] | None:
        """What there is to go on with, and the events that were told; None where there is nothing.

        Raises StoreError and BadRecord.
        """
        record = await self._store.load(self._key)
        return None if record is None else (read(record.fields), once(record.events))

    async def claim(self) -> tuple[Kept, tuple[Logged, ...]] | None:
        """The same, and nobody else may write it any more."""
        record = await self._store.claim(self._key, self._owner, self._seconds)
        if record is None:
            return None
        kept = read(record.fields)
        self._turns = {turn.items[0].id: turn for turn in kept.snapshot.turns}
        self._audio = {item_id for item_id, turn in self._turns.items() if turn.samples is not None}
        return kept, once(record.events)

    async def keep(self, kept: Kept, events: Sequence[Logged], kept_events: int) -> None:
        """Returns when it is written, or cannot be. Raises Taken."""
        now = self._clock()
        self._unwritten = [*self._unwritten, *events][-max(1, kept_events) :]
        if now < self._failed_until:
            return
        change = self._change(kept, kept_events)
        if not (change.fields or change.gone or change.events) and now < self._next:
            return
        try:
            await self._store.save(self._key, self._owner, change, self._seconds)
        except StoreError as error:
            self._failed_until = self._clock() + RETRY_SECONDS
            self._forget()
            logger.error("a conversation is not kept: %s", error)
            return
        self._unwritten = []
        self._next = now + RENEW_SECONDS

    async def drop(self) -> None:
        """The conversation is over."""
        try:
            await self._store.drop(self._key, self._owner)
        except StoreError as error:
            logger.warning("a conversation that is over expires later: %s", error)

    def _forget(self) -> None:
        """What is written nobody knows: all of it is, the next time."""
        self._turns, self._audio, self._heard = {}, set(), []
        self._blocks, self._head = 0, b""

    def _change(self, kept: Kept, kept_events: int) -> Change:
        """What has changed since the last time, which counts as written from now on."""
        fields: dict[str, bytes] = {}
        gone: list[str] = []
        turns = {turn.items[0].id: turn for turn in kept.snapshot.turns}
        for item_id, turn in turns.items():
            if self._turns.get(item_id) != turn:
                fields[turn_field(item_id)] = written(turn)
            if turn.samples is not None and item_id not in self._audio:
                fields[audio_field(item_id)] = pcm(turn.samples)
        audio = {item_id for item_id, turn in turns.items() if turn.samples is not None}
        gone += [turn_field(item_id) for item_id in self._turns.keys() - turns.keys()]
        gone += [audio_field(item_id) for item_id in self._audio - audio]
        self._turns, self._audio = turns, audio
        gone += self._hear(kept, fields)
        told = head(kept, self._heard)
        if told != self._head or self._unwritten:
            self._head = fields[HEAD] = told
            fields[SAVED_AT] = repr(kept.saved_at).encode()
        return Change(fields, tuple(gone), tuple(self._unwritten), kept_events)

    def _hear(self, kept: Kept, fields: dict[str, bytes]) -> list[str]:
        """Write down the newest audio of the turn that is being spoken; returns what of others is gone."""
        hearing, gone = kept.snapshot.hearing, []
        turn_id = "" if hearing is None else hearing.turn_id
        if turn_id != self._hearing:
            gone, self._heard, self._blocks, self._hearing = self._heard, [], 0, turn_id
        if hearing is not None and len(hearing.heard) > self._blocks:
            name = heard_field(turn_id, self._blocks)
            fields[name] = heard_pcm(hearing.heard[self._blocks :])
            self._heard = [*self._heard, name]
            self._blocks = len(hearing.heard)
        return gone
