"""The conversation and the engine's reading of it, in step: what is said is noted here, once, for both.

The listener can only be appended to. So a turn that is being spoken goes there as it is heard; a reply when
it has ended, and what a client adds meanwhile behind it; and where something can no longer be put in its
place, or has to make room, the listener is opened anew from the conversation. The same where the engine has
died: the next one is told all of it, with the audio of a turn that is being spoken; and where the listener
was parked, as soon as the conversation goes on. Knows no turn-taking, no replies in the making and no wire.

A turn is encoded in chunks while it is spoken. `question` can have it encoded anew, whole, for the reply
that answers it: the prefix before that turn still comes from the cache. The listener keeps the chunks, so
that later replies see an older turn as it was first heard, until the listener is opened anew: then all
turns are encoded whole. `so_far` is the same for a turn that is still being spoken, if it ended now, and
`unfinished` what the engine is asked about its end with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.windows import Windows
from streaming.context import Context
from streaming.conversation import Conversation, Entry
from streaming.ear import Ear, whole
from streaming.engine import Engine
from streaming.errors import EngineUnavailable, TooLong
from streaming.events import Encoding, Item, Message, Truncation
from streaming.listener import Listener
from streaming.places import Place, alone
from streaming.recall import recall, recorded, spoken, told, typed
from streaming.snapshot import Hearing, Turn

REPLY_SHARE = 4  # a reply gets a quarter of the engine's context, or what the client allows
HEADROOM = 64  # tokens for the rest of a turn that has filled the context, and the template around it

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
Ending = Callable[[int, float], None]


@dataclass
class Heard:
    """The newest spoken turn, at [start, stop) of the listener's context; `whole` once it was needed."""

    entry: Entry
    start: int
    stop: int
    whole: Context | None = None


class Memory:
    """`spawn` makes a task of the session's; `appended` is told of every append, in seconds, for metrics.

    `ending` is told how likely the open turn was over behind so many of its samples; `lost` and `back` that
    the engine has died, and that there is another one; `parked` that the listener is, or no longer.
    """

    def __init__(
        self,
        engine: Engine,
        opening: Context,
        *,
        windows: Windows,
        spawn: Spawn,
        appended: Callable[[float], None],
        ending: Ending = lambda samples, over: None,
        lost: Callable[[], None] = lambda: None,
        back: Callable[[], None] = lambda: None,
        parked: Callable[[bool], None] = lambda parked: None,
        truncation: Truncation | None = None,
        place: Place | None = None,
    ) -> None:
        """`opening` is what stands before the conversation, `place` where it lives. Raises TooLong."""
        self._engine = engine
        self._windows = windows
        self._spawn = spawn
        self._appended = appended
        self._ending = ending
        self._lost = lost
        self._back = back
        self._told_parked = parked
        self.place = place or alone()  # lent while it is parked
        self._settled: dict[int, int] = {}  # length of the listener's context to samples of the open turn
        self._listening: asyncio.Task[None] | None = None
        self._parked = False  # the listener's request has ended, and its context is as it was then
        self._ear: Ear | None = None
        self._turn_id = ""
        self._start = 0  # of the turn that is being spoken, in the listener's context
        self._newest: Heard | None = None
        self._stale = False  # the listener lacks something that cannot be put behind the open turn
        self._waiting: list[Entry] = []  # to go behind the reply that is being made
        self.conversation = Conversation()
        self.check(opening)
        self._opening = opening
        self.truncation = truncation or Truncation()
        self._listener = self._new_listener()

    def start(self) -> None:
        """Let the engine read."""
        self._listening = self._spawn(self._read())

    async def _read(self) -> None:
        """Hold the listener open, on one engine after the other. Raises EngineUnavailable after the last."""
        while True:
            await self.place.own.wait()
            try:
                await self._listener.run()
            except EngineUnavailable:
                self._lost()
                self._rebuild()
                await self._engine.ready()
                self._back()

    def park(self) -> None:
        """Give the engine's blocks back until the conversation goes on, where nothing is open."""
        assert self._listening is not None and self._ear is None and not self.conversation.replying
        self._listening.cancel()
        self._parked = True
        self.place.lend()
        self._told_parked(True)

    def unpark(self) -> None:
        """The conversation goes on, or ends: tell the engine all of it again, where it was parked."""
        if self._parked:
            self.reopen()

    def _rebuild(self) -> None:
        """A listener for an engine that has read nothing: what was said, and what is being said."""
        self._stale = self._stale and self.conversation.replying  # what stands behind that reply waits for it
        self._newest = None
        self._listener = self._new_listener()
        ear = self._ear
        if ear is not None:
            self._hear_from(ear.blocks)

    def restore(self, turns: Iterable[Turn], hearing: Hearing | None) -> None:
        """What another one has noted, where nothing has been noted yet."""
        self.conversation.restore(turns)
        self.reopen()
        self._stale = self.conversation.replying  # what stands behind that reply waits for it
        if hearing is not None:
            self._turn_id = hearing.turn_id
            self._hear_from(hearing.heard)

    @property
    def heard(self) -> tuple[NDArray[np.float32], ...]:
        """The audio of the turn that is being spoken, as it came."""
        return () if self._ear is None else tuple(self._ear.blocks)

    def catch_up(self) -> None:
        """Let the engine have all that was noted."""
        self._listener.flush()

    # --- sizes ---

    @property
    def reply_tokens(self) -> int:
        """What a reply can have at most."""
        return self._engine.max_tokens // REPLY_SHARE

    def check(self, opening: Context) -> None:
        """Raises TooLong for what would leave too little room."""
        limit = self._engine.max_tokens // 2
        if len(opening) > limit:
            raise TooLong(f"instructions and tools take {len(opening)} tokens, and may take {limit}")

    @property
    def _room(self) -> int:
        """Tokens that there are for turns."""
        room = self._engine.max_tokens - self.reply_tokens - HEADROOM - len(self._opening)
        return room if self.truncation.limit is None else min(room, self.truncation.limit)

    @property
    def held(self) -> int:
        """Tokens that the engine holds for it."""
        return 0 if self._parked else self._listener.in_cache

    @property
    def _used(self) -> int:
        return len(self._listener.context) - len(self._opening)

    @property
    def full(self) -> bool:
        """There is no room, and nothing may be let go for it."""
        return self.truncation.keep is None and self._used > self._room

    def make_ready(self) -> None:
        """For one more reply. Raises TooLong."""
        self._make_room(0, self._room)

    def _make_room(self, new: int, most: int) -> None:
        """Let old turns go, down to a share of `most`, where `new` tokens more would be more than that.

        Raises TooLong where none may be let go.
        """
        keep, used = self.truncation.keep, self._used + new
        if keep is None:
            if used > self._room:
                raise TooLong(
                    f"the conversation takes {used} tokens, and may take {self._room}: truncation is disabled"
                )
        elif used > most:
            self.conversation.make_room(min(int(most * keep), most - new))
            self._changed()

    # --- what is spoken ---

    @property
    def hearing(self) -> bool:
        """A turn is being spoken."""
        return self._ear is not None

    def open_turn(self, turn_id: str) -> None:
        """Raises TooLong where there is no room, and nothing may be let go."""
        self.unpark()
        self._make_room(0, self._room * 2 // 3)
        self._turn_id = turn_id
        self._hear_from(())

    def _hear_from(self, blocks: Sequence[NDArray[np.float32]]) -> None:
        """Begin the turn's context behind what is there, with what has been heard of it already."""
        self._start = len(self._listener.context)
        self._settled.clear()
        self._listener.append(Context.of(self._engine.prompt.human_open()), later=True)
        self._ear = Ear(self._turn_id, self._engine.prompt, self._engine.n_mels, self._windows)
        for block in blocks:
            self.hear(block)

    def hear(self, samples: NDArray[np.float32]) -> bool:
        """More of the open turn; nothing where none is open. False once there is no room for more."""
        if self._ear is None:
            return True
        settled = self._ear.hear(samples)
        if settled:
            self._listener.append(settled)
            self._settled[len(self._listener.context)] = self._ear.settled
        return len(self._listener.context) <= len(self._opening) + self._room

    def drop_turn(self) -> None:
        self._ear = None
        self._changed()

    def close_turn(self) -> tuple[Message, str | None, float]:
        """The turn has ended: its item, the id before it, and its seconds."""
        assert self._ear is not None
        heard, self._ear = self._ear, None
        end = heard.end() + Context.of(self._engine.prompt.human_close())
        self._listener.append(end, later=True)  # a reply's fork takes it along, and nobody waits for the rest
        item, stop = Message(self._turn_id, "user", spoken=True), len(self._listener.context)
        entry = Entry([item], heard.samples, tokens=stop - self._start)
        before = self.conversation.add(entry)
        self._newest = Heard(entry, self._start, stop)
        if self._stale or self.conversation.replying:  # its place is behind that reply
            self._changed()
        return item, before, heard.seconds

    # --- what is typed, called and replied ---

    def add(
        self, item: Item, after: str | None = None, samples: NDArray[np.int16] | None = None
    ) -> str | None:
        """A turn, behind an item, None: at the end; returns the id before it. `samples` of a spoken one.

        Where the user is speaking, it stands before that turn. Raises DuplicateItem, UnknownItem, UnknownCall
        and TooLong.
        """
        self.conversation.check(item, after)
        entry = recorded(item, samples)
        context = told(entry, self._engine.prompt, self._engine.n_mels)
        entry.tokens = len(context)
        if len(context) > self._room // 2:
            raise TooLong(f"the item takes {len(context)} tokens, and may take {self._room // 2}")
        self.unpark()
        self._make_room(len(context), self._room)
        last = after in (None, self.conversation.last_id)
        before = self.conversation.add(entry, after)
        if self._ear is not None or not last:
            self._changed()
        elif self.conversation.replying:
            self._waiting.append(entry)
        else:
            self._listener.append(context)
        return before

    def delete(self, item_id: str) -> None:
        """Raises UnknownItem and ItemActive."""
        entry = self.conversation.remove(item_id)
        if any(e is entry for e in self._waiting):
            self._waiting = [e for e in self._waiting if e is not entry]
        elif entry.kept:
            self._changed()

    def replied(self, entry: Entry) -> None:
        """A reply has ended; nothing was said of an entry without items."""
        context = typed(entry, self._engine.prompt)
        entry.tokens = len(context)
        waiting, self._waiting = self._waiting, []
        if self._ear is not None:  # the user speaks already
            self._stale = self._stale or bool(entry.items or waiting)
        elif self._stale:
            self.reopen()
        else:
            for turn in (entry, *waiting):
                if turn.items:
                    self._listener.append(told(turn, self._engine.prompt, self._engine.n_mels))

    def _ended(self, length: int, over: float) -> None:
        samples = self._settled.get(length)
        if self._ear is not None and samples is not None:
            self._ending(samples, over)

    def corrected(self, item_id: str, text: str) -> None:
        """Less of a reply was heard than was noted."""
        self.conversation.heard(item_id, text)
        self._changed()

    # --- what a reply sees ---

    def question(self, encoding: Encoding, opening: Context | None = None) -> Context:
        """All that was said, but for a turn that is still being spoken; maybe behind another opening.

        What the listener has not read in this way is encoded whole, and comes with all its data.
        """
        self.unpark()
        opening = self._opening if opening is None else opening
        if self._stale or opening != self._opening:
            return self._recalled(opening)
        context = self._listener.context
        if self._ear is not None:
            context = context[: self._start]
        newest = self._newest
        if encoding == "incremental" or newest is None:
            return context
        if newest.whole is None:
            newest.whole = spoken(newest.entry, self._engine.prompt, self._engine.n_mels)
        return context[: newest.start] + newest.whole + context[newest.stop :]

    def so_far(self, encoding: Encoding) -> Context | None:
        """All that was said, if the turn that is being spoken ended now. Changes nothing.

        None where the listener lacks something that belongs before that turn, or waits for its place.
        """
        if self._ear is None or self._stale or self.conversation.replying or not self.place.own.is_set():
            return None
        close = Context.of(self._engine.prompt.human_close())
        if encoding == "incremental":
            return self._listener.context + self._ear.end() + close
        prompt = self._engine.prompt
        heard = self._ear.samples
        audio = whole(f"{self._turn_id}:{heard.size}:whole", heard, prompt, self._engine.n_mels)
        return self._listener.context[: self._start] + Context.of(prompt.human_open()) + audio + close

    def unfinished(self) -> Context | None:
        """All that was said up to the newest audio of the turn that is being spoken; None as `so_far`."""
        if self._ear is None or self._stale or not self.place.own.is_set():
            return None
        return self._listener.context + self._ear.end()[:-1]

    def instead(self, turns: Iterable[Entry], opening: Context) -> Context:
        """Other turns than those of the conversation. Raises TooLong."""
        parts = (told(turn, self._engine.prompt, self._engine.n_mels) for turn in turns)
        context = sum(parts, start=opening)
        room = self._engine.max_tokens - self.reply_tokens - HEADROOM
        if len(context) > room:
            raise TooLong(f"the input takes {len(context)} tokens, and may take {room}")
        return context

    def dictation(self, encoding: Encoding) -> Context:
        """What ends with the newest spoken turn, which has just ended: for whoever writes it down."""
        if self._stale and self._newest is not None:
            return self._opening + told(self._newest.entry, self._engine.prompt, self._engine.n_mels)
        return self.question(encoding)

    def anew(self, opening: Context | None = None) -> Callable[[], Context]:
        """What makes the same question as now for an engine that has read nothing of it.

        What was deleted meanwhile is not in it, and what came behind neither.
        """
        before, begins = self.conversation.settled(), self._opening if opening is None else opening
        return lambda: recall(self.conversation, begins, self._engine.prompt, self._engine.n_mels, before)

    def dictation_anew(self, item_id: str) -> Callable[[], Context]:
        """The same for the dictation of a spoken turn."""
        (entry, _), begins = self.conversation.find(item_id), self._opening
        return lambda: begins + told(entry, self._engine.prompt, self._engine.n_mels)

    def forgotten(self) -> None:
        """The engine has forgotten what it was told: it has to read all of it once more."""
        self._changed()

    # --- the listener ---

    def begin_with(self, opening: Context) -> None:
        """Let another opening stand before the conversation. Raises TooLong."""
        self.check(opening)
        if opening == self._opening:
            return
        self._opening = opening
        self._changed()

    def _changed(self) -> None:
        """The listener has read something else than what is to be told: anew, as soon as nothing is open."""
        if self._ear is None and not self.conversation.replying:
            self.reopen()
        else:
            self._stale = True

    def reopen(self) -> None:
        """Start the engine's session anew from the conversation."""
        self._listener = self._new_listener()
        self._newest = None
        self._stale = False
        if self._parked:
            self._parked = False
            self.place.want()
            self._told_parked(False)
        if self._listening is not None:
            self._listening.cancel()
            self._listening = self._spawn(self._read())

    def _new_listener(self) -> Listener:
        listener = Listener(self._engine, self._appended, self._ended)
        self._settled.clear()
        listener.append(self._recalled(self._opening))
        return listener

    def _recalled(self, opening: Context) -> Context:
        return recall(self.conversation, opening, self._engine.prompt, self._engine.n_mels)
