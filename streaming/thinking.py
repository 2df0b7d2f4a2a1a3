"""The thoughts of one conversation: begun for a reply, or ahead of one, and what is written down of the user.

What is thought ahead, at a pause, nobody hears: a reply takes it over if the turn ends there, and else it is
gone. Each is a task of the session's with one request at a time, or two where it speaks while it thinks, and
goes on with the next engine when one dies. Knows no turns, no sound and no wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from model.reasoning import Call, Reply, Thinking
from streaming import asked
from streaming.context import Context
from streaming.engine import Engine
from streaming.errors import Crowded, EngineUnavailable, SessionError
from streaming.events import (
    Encoding,
    Event,
    ResponseRequest,
    SessionSettings,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
)
from streaming.failover import Failover
from streaming.memory import Memory, Spawn
from streaming.paced import pace
from streaming.recall import opening
from streaming.snapshot import Dictation, Making
from streaming.speaker import Told, speak, transcribe
from streaming.thought import Thought


class Thinker:
    def __init__(
        self,
        engine: Engine,
        memory: Memory,
        emit: Callable[[Event], None],
        *,
        spawn: Spawn,
        speculated: Callable[[bool, int], None],
        patience: float,
    ) -> None:
        """`speculated` is told whether what was thought ahead was heard, and its tokens until then.

        `patience`: seconds that a request waits for an engine, or for a place in it.
        """
        self._engine = engine
        self._memory = memory
        self._emit = emit
        self._spawn = spawn
        self._speculated = speculated
        self._patience = patience
        self._ahead: Thought | None = None  # unheard
        self._draft: Thought | None = None  # about the turn's beginning; its thoughts go on meanwhile
        self._judging: asyncio.Task[None] | None = None
        self.dictations: dict[str, Dictation] = {}  # under way, by their items

    def about(self, settings: SessionSettings, request: ResponseRequest, instead: Context | None) -> Thought:
        """What a reply is made from: to the conversation, or to something else."""
        begins, context = opening(settings, self._engine.prompt), instead
        if context is None:
            context = self._memory.question(settings.encoding, begins)
        draft = "" if instead is not None or request.outside else self._drafted()
        manner = asked.manner(settings, request, self._memory.reply_tokens)
        thought = Thought(context, replace(manner, draft=draft))
        thought.anew = self._memory.anew(begins) if instead is None else None
        self._begin(thought)
        return thought

    def go_on(
        self, settings: SessionSettings, making: Making, instead: Context | None, calls: Sequence[Call]
    ) -> Thought:
        """What a reply goes on with that another one has begun; `calls`: that it has made."""
        begins = opening(settings, self._engine.prompt)
        context = self._memory.question(settings.encoding, begins) if instead is None else instead
        manner = asked.manner(settings, making.request, self._memory.reply_tokens)
        begun = (Reply(making.text),) if making.text or making.thinking_told else ()
        told = ((Thinking(making.thinking),) if making.thinking else ()) + begun + tuple(calls)
        counts = making.usage.reasoning, making.usage.reply, making.usage.cached
        paced = manner.pacing is not None and not making.thinking_told  # what was said may not hold yet
        before = Told(told, *counts, None, beside=paced)
        thought = Thought(context, manner, wanted=True, before=before)
        thought.anew = self._memory.anew(begins) if instead is None else None
        if making.finish is None:
            self._begin(thought)
        else:
            thought.take(Told((), *counts, making.finish))
            thought.end()
        return thought

    def ahead(self, settings: SessionSettings) -> None:
        """What the reply would be if the turn ended now; no more than one."""
        if self._ahead is not None:
            return
        context = self._memory.so_far(settings.encoding)
        if context is not None:
            manner = asked.manner(settings, ResponseRequest(), self._memory.reply_tokens)
            self._ahead = Thought(context, replace(manner, draft=self._drafted()))
            self._begin(self._ahead)

    def carry(self, settings: SessionSettings) -> None:
        """The turn goes on: what was thought ahead is about its beginning, and may be so still."""
        thought, self._ahead = self._ahead, None
        if thought is None:
            return
        if not settings.while_listening or thought.error is not None:
            self._drop(thought)
            return
        self._drafted()
        self._draft = thought
        thought.carry()

    def _drafted(self) -> str:
        """The thoughts about the turn's beginning, which have ended with this."""
        thought, self._draft = self._draft, None
        if thought is None:
            return ""
        self._drop(thought)
        return thought.chain or thought.manner.draft

    def taken(self) -> Thought | None:
        """What was thought ahead, for the reply to the turn that has ended there; None where nothing was."""
        thought, self._ahead = self._ahead, None
        if thought is None or thought.error is not None:
            return None
        self._drafted()
        self._speculated(True, thought.tokens)
        thought.anew = self._memory.anew()
        return thought

    def forget(self) -> None:
        """What was thought ahead, if anything: it was thought of something else."""
        self._drafted()
        thought, self._ahead = self._ahead, None
        if thought is not None:
            self._drop(thought)

    def _drop(self, thought: Thought) -> None:
        thought.abort()
        self._speculated(False, thought.tokens)

    def judge(self, told: Callable[[float], None]) -> None:
        """Ask how likely the turn that is being spoken is over; whoever asked before is not told any more."""
        if self._judging is not None:
            self._judging.cancel()
        context = self._memory.unfinished()
        if context is not None:
            self._judging = self._spawn(self._judge(context, told))

    async def _judge(self, context: Context, told: Callable[[float], None]) -> None:
        try:
            over = await self._engine.ending(context)
        except (SessionError, EngineUnavailable):
            return  # then its eagerness alone decides
        if over is not None:
            told(over)

    def write_down(self, item_id: str, seconds: float, encoding: Encoding) -> None:
        """The turn that has just ended, and tell it as it comes. `seconds`: its length."""
        self._dictate(Dictation(item_id, seconds), self._memory.dictation(encoding))

    def write_on(self, dictation: Dictation) -> None:
        """The same, where another one has begun with it."""
        self._dictate(dictation, self._memory.dictation_anew(dictation.item_id)())

    def _dictate(self, dictation: Dictation, context: Context) -> None:
        again = self._failover(self._memory.dictation_anew(dictation.item_id))
        self.dictations[dictation.item_id] = dictation
        self._spawn(self._transcribe(dictation, context, again))

    def _begin(self, thought: Thought) -> None:
        thought.task = self._spawn(self._think(thought))

    async def _think(self, thought: Thought) -> None:
        again = self._failover(thought.again, lambda: thought.wanted)
        context, manner = thought.context, thought.manner
        try:
            await self._placed()
            before = thought.before
            if manner.pacing is not None and (before is None or before.beside):
                await pace(self._engine, context, manner, manner.pacing, again, thought.take, before)
            else:
                async with aclosing(speak(self._engine, context, manner, again, before)) as steps:
                    async for told in steps:
                        thought.take(told)
            thought.end()
        except (SessionError, EngineUnavailable) as error:
            thought.end(error)

    async def _placed(self) -> None:
        """Until the conversation, where it was parked, has a place again. Raises Crowded."""
        own = self._memory.place.own
        try:
            async with asyncio.timeout(None if own.is_set() else self._patience):
                await own.wait()
        except TimeoutError:
            raise Crowded(f"there has been no place for {self._patience:g} s: ask again later") from None

    def _failover(self, anew: Callable[[], Context], wanted: Callable[[], bool] = lambda: True) -> Failover:
        return Failover(self._engine, anew, self._memory.forgotten, wanted, self._patience)

    async def _transcribe(self, dictation: Dictation, context: Context, again: Failover) -> None:
        item_id, text, most = dictation.item_id, dictation.text, self._memory.reply_tokens
        try:
            await self._placed()
            async with aclosing(transcribe(self._engine, context, most, again, text)) as deltas:
                async for delta in deltas:
                    text += delta
                    self.dictations[item_id] = replace(dictation, text=text)
                    self._emit(TranscriptDelta(item_id, delta))
        except (SessionError, EngineUnavailable) as error:
            del self.dictations[item_id]
            self._emit(TranscriptFailed(item_id, str(error)))
            return
        del self.dictations[item_id]
        self._memory.conversation.heard(item_id, text)
        self._emit(TranscriptDone(item_id, text, dictation.seconds))
