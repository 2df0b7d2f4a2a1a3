"""Speaks one reply while it is still being written, and knows which of its words have been heard.

Text goes in as it is decoded; clause by clause it goes to the voice, and sound comes out with the text that
belongs to it, at most a few seconds before it can be heard: what nobody will hear need not be made. How much
was heard is known to the player, where there is one on this side of the wire; else the loudspeaker reckons
it, which several mouths may share. Time is the session's clock. Knows no engine, no turns and no wire.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from streaming.clauses import Clause, ClauseSplitter
from streaming.loudspeaker import Loudspeaker, Track
from streaming.snapshot import Marks, Spoken
from streaming.spoken_text import heard, spoken
from streaming.voice import RATE, Voice

AHEAD = 3.0  # seconds of sound made before they can be heard
PIECE = 2 * RATE // 10  # bytes: 100 ms
SAMPLE_BYTES = 2
PATIENCE = 0.02  # seconds, at least, between two looks at what was played


class Player(Protocol):
    """What plays the sound, where that is ours to do: WebRTC. It can be stopped, and knows what was heard."""

    def played(self, item_id: str) -> float:
        """Milliseconds of a reply that have been heard."""
        ...

    async def played_out(self, item_id: str) -> None:
        """Wait until all that was told of it has been heard."""
        ...

    def hold(self, on: bool) -> None:
        """Play nothing until released."""
        ...


class Mouth:
    """`told` is given sound and the text that begins to be spoken with it; either may be empty."""

    def __init__(
        self,
        voice: Voice,
        name: str,
        speed: float,
        told: Callable[[bytes, str], None],
        clock: Callable[[], float],
        loudspeaker: Loudspeaker | None = None,
        item_id: str = "",
        player: Player | None = None,
    ) -> None:
        """`loudspeaker`: that of others who speak to the same client, None: nobody else does.

        `item_id` is what the player knows the reply by.
        """
        self._voice = voice
        self._name = name
        self._speed = speed
        self._told = told
        self._clock = clock
        self._item_id = item_id
        self._player = player
        self._splitter = ClauseSplitter()
        self._clauses: asyncio.Queue[Clause | None] = asyncio.Queue()  # None: what `_rest` is
        self._speaking = False
        self._samples = 0
        self._begins = 0  # characters of the reply before the first that is spoken here
        self._known = 0  # characters of what is spoken here that have been told
        self._told_to = 0  # characters of the reply
        self._rest = b""  # the sound that the last word lacks which another one has told
        self._word = b"", 0, 0  # a clause's sound, and what of it the newest word lacks
        self._loudspeaker = loudspeaker or Loudspeaker()
        self._free = asyncio.Event()
        self._free.set()
        self.track = Track()

    def restore(self, spoken: Spoken, text: str) -> None:
        """Go on where another one has told so much of a text."""
        self._begins, self._known = spoken.begins, spoken.told - spoken.begins
        self._told_to = spoken.told
        self._samples, self._rest = spoken.sent, spoken.rest
        self.track = Track.restored(spoken.marks)
        if self._player is None:  # what it was sent it has played meanwhile
            self.track.plays(self._clock() - spoken.sent / RATE, spoken.sent)
        if self._rest:
            self._clauses.put_nowait(None)
        self.push(text[spoken.begins :])

    def snapshot(self) -> Spoken:
        if self._player is not None:  # what it has not played is lost with it
            heard = min(self.track.heard(self._player.played(self._item_id)), self._told_to)
            return Spoken(self._told_to, heard, Marks((0,), (heard,)))
        piece, begin, end = self._word
        marks = self.track.marks(self._told_to)
        return Spoken(self._told_to, self._told_to, marks, self._samples, self._rest or piece[begin:end])

    def push(self, text: str) -> None:
        """More of the reply."""
        self._put(self._splitter.push(text))

    def _put(self, clauses: Iterable[Clause]) -> None:
        for clause in clauses:
            self._clauses.put_nowait(replace(clause, start=clause.start + self._begins))

    def hold(self, on: bool) -> None:
        """Make no more sound until released."""
        if on:
            self._free.clear()
        else:
            self._free.set()
        if self._player:
            self._player.hold(on)

    def pause(self) -> None:
        """No words follow for now: those that are there are spoken, unless others still sound."""
        idle = not self._speaking and self._clauses.empty()
        if idle and self.ends(self._clock()) <= self._clock():
            self._speak_all()

    async def quiet(self) -> None:
        """The words are over: wait until all of them have been spoken."""
        self._speak_all()
        await self._clauses.join()

    def _speak_all(self) -> None:
        self._put(self._splitter.finish())

    async def finished(self) -> None:
        """The same, and until they have been heard, as far as that is known."""
        await self.quiet()
        if self._player:
            await self._player.played_out(self._item_id)

    def heard(self, now: float) -> int:
        """Characters of the reply that can have been heard by now."""
        if self._player:
            return self.track.heard(self._player.played(self._item_id))
        return self.track.played(now)

    def ends(self, now: float) -> float:
        """When all that was told will have been heard, if nothing stops it."""
        if self._player:
            return now + self._unheard(self._player)
        return self.track.ends(now)

    async def run(self) -> None:
        """Speak until cancelled. Raises VoiceUnavailable."""
        while True:
            clause = await self._clauses.get()
            self._speaking = True
            if clause is None:
                await self._say_rest()
            else:
                await self._speak(clause)
            self._speaking = False
            self._clauses.task_done()

    async def _speak(self, clause: Clause) -> None:
        words, begins, sent = spoken(clause.text), self._samples, 0
        ends: list[int] = []
        if words:
            async with aclosing(self._voice.say(words, self._name, self._speed)) as sounds:
                async for sound in sounds:
                    for end in sound.ends:
                        ends.append(end)
                        self.track.mark(begins + end, clause.start + heard(words, len(ends)))
                    for at in range(0, len(sound.pcm), PIECE):
                        piece = sound.pcm[at : at + PIECE]
                        await self._in_time()
                        after = self._samples + len(piece) // SAMPLE_BYTES - begins
                        begun = 1 + bisect_left(ends, after)
                        until = max(sent, heard(words, min(begun, len(words))))
                        lacks = ends[begun - 1] - after if begun <= len(ends) else 0
                        self._word = sound.pcm, at + len(piece), at + len(piece) + lacks * SAMPLE_BYTES
                        self._tell(piece, clause.text[sent:until])
                        sent = until
        self.track.mark(self._samples, clause.start + len(clause.text))
        self._word = b"", 0, 0
        if sent < len(clause.text):
            self._tell(b"", clause.text[sent:])

    async def _say_rest(self) -> None:
        """Of a word that another one has begun."""
        while self._rest:
            await self._in_time()
            piece, self._rest = self._rest[:PIECE], self._rest[PIECE:]
            self._tell(piece, "")

    def _tell(self, pcm: bytes, text: str) -> None:
        """Sound, and what begins in it, but for what another one has told."""
        if pcm and self._player is None:
            self._loudspeaker.play(self.track, len(pcm) // SAMPLE_BYTES, self._clock())
        self._samples += len(pcm) // SAMPLE_BYTES
        new = text[self._known :]
        self._known = max(0, self._known - len(text))
        self._told_to += len(new)
        self._told(pcm, new)

    async def _in_time(self) -> None:
        """Wait while enough is on its way, or while it is held."""
        await self._free.wait()
        if self._player:
            await self._heard_enough(self._player)
            return
        early = self._loudspeaker.ahead(self._clock()) - AHEAD
        if early > 0:
            await asyncio.sleep(early)
            await self._free.wait()

    async def _heard_enough(self, player: Player) -> None:
        while True:
            ahead = self._unheard(player)
            if ahead <= AHEAD:
                return
            await asyncio.sleep(max(ahead - AHEAD, PATIENCE))

    def _unheard(self, player: Player) -> float:
        """Seconds that were told and have not been heard."""
        return self._samples / RATE - player.played(self._item_id) / 1000
