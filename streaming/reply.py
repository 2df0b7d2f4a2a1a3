"""One reply in the making: what the speaker tells becomes items of the conversation, and events.

The words come first, as one message, then the calls; the first item, whichever it is, has the reply's own
item id. Time is an argument. Knows no engine, no tokens and no wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from model.reasoning import Call, Reply, Thinking
from model.tools import BadCall, read_call
from streaming.context import Context
from streaming.conversation import Conversation, Entry
from streaming.errors import BadFunctionCall
from streaming.events import (
    CallMade,
    Event,
    FunctionCall,
    Message,
    ReplyDelta,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    SpeechDelta,
    Status,
    ThinkingDelta,
    ThinkingDone,
    Timings,
    Usage,
)
from streaming.mouth import Mouth
from streaming.snapshot import Making
from streaming.speaker import Told
from streaming.thought import Thought


@dataclass
class ActiveReply:
    """`asked_at` is the clock (seconds) that its timings count from; `offered` are names of tools."""

    response_id: str
    item_id: str
    asked_at: float
    conversation: Conversation
    new_id: Callable[[str], str]
    context: Context = Context()
    offered: Collection[str] = ()
    request: ResponseRequest = ResponseRequest()  # what it was asked for with
    usage: Usage = Usage()
    timings: Timings = Timings()
    thinking: str = ""
    text: str = ""
    entry: Entry = field(default_factory=lambda: Entry(open=True))
    thinking_told: bool = False  # its end was
    task: asyncio.Task[None] | None = None
    thought: Thought | None = None  # what it is made from
    mouth: Mouth | None = None  # None: the reply is text
    heard_ms: float | None = None  # what the client says, while the reply is still being made
    held_at: float | None = None  # the clock, while nothing of it is told
    finish: str | None = None  # why its decoding has ended

    @classmethod
    def restored(
        cls, making: Making, now: float, conversation: Conversation, new_id: Callable[[str], str]
    ) -> ActiveReply:
        """One that another server has begun, and whose items stand in the conversation, if it has any."""
        reply = cls(making.response_id, making.item_id, now - making.age, conversation, new_id)
        reply.request, reply.usage, reply.timings = making.request, making.usage, making.timings
        reply.thinking, reply.thinking_told = making.thinking, making.thinking_told
        reply.text, reply.finish = making.text, making.finish
        if making.items:
            reply.entry, _ = conversation.find(making.items[0].id)
        return reply

    def snapshot(self, now: float) -> Making:
        return Making(
            self.response_id,
            self.item_id,
            self.request,
            now - self.asked_at,
            tuple(self.entry.items),
            self.thinking,
            self.thinking_told,
            self.text,
            self.finish,
            self.usage,
            self.timings,
            None if self.mouth is None else self.mouth.snapshot(),
        )

    def since(self, now: float) -> float:
        """Milliseconds."""
        return (now - self.asked_at) * 1000.0

    def interrupted(self, since: float, now: float) -> None:
        """By somebody whose first voiced sample arrived at `since`; what is held was told until it was."""
        stopped = now if self.held_at is None else self.held_at
        self.timings = replace(self.timings, stopped=max(0.0, stopped - since) * 1000.0)

    def take(self, told: Told, now: float) -> Iterator[Event]:
        """One step of the speaker. Raises BadFunctionCall, behind the events of what was good."""
        self.usage = replace(
            self.usage,
            cached=told.cached_tokens,
            cached_audio=self.context.audio_within(told.cached_tokens),
            reasoning=told.reasoning_tokens,
            reply=told.reply_tokens,
        )
        if told.beside and not told.parts and self.mouth is not None:
            self.mouth.pause()
        for part in told.parts:
            match part:
                case Thinking(text):
                    if not self.thinking:
                        self.timings = replace(self.timings, first_thinking=self.since(now))
                    self.thinking += text
                    yield ThinkingDelta(self.response_id, self.item_id, text)
                case Reply(text):
                    yield from self._begin(now, told.beside)
                    if not self.text:
                        spoken = self.mouth is not None
                        message = Message(self.item_id, "assistant", spoken)
                        before = self.conversation.extend(self.entry, message)
                        yield ReplyStarted(self.response_id, self.item_id, before, spoken)
                    self.text += text
                    if self.mouth is None:
                        yield ReplyDelta(self.response_id, self.item_id, text)
                    else:
                        self.mouth.push(text)
                case Call(text):
                    yield from self._begin(now)
                    yield self._called(text)

    def said(self, pcm: bytes, text: str, now: float) -> Event:
        """What the mouth tells."""
        if pcm and self.timings.first_sound is None:
            self.timings = replace(self.timings, first_sound=self.since(now))
        return SpeechDelta(self.response_id, self.item_id, pcm, text)

    def heard(self, status: Status, now: float) -> str:
        """What of the words counts as said."""
        if self.mouth is None or (status in ("completed", "incomplete") and self.heard_ms is None):
            return self.text
        heard = self.mouth.heard(now)
        return self.text[
            : heard if self.heard_ms is None else min(heard, self.mouth.track.heard(self.heard_ms))
        ]

    def sounds(self, now: float) -> bool:
        """Whether its end is still to be played."""
        return self.mouth is not None and self.heard_ms is None and self.mouth.track.ends(now) > now

    def _begin(self, now: float, beside: bool = False) -> Iterator[Event]:
        """The thoughts are over, unless this is said beside them."""
        if not self.entry.items:
            self.timings = replace(self.timings, first_reply=self.since(now))
        if not beside:
            yield from self._thinking_done()

    def _thinking_done(self) -> Iterator[Event]:
        if self.thinking and not self.thinking_told:
            self.thinking_told = True
            yield ThinkingDone(self.response_id, self.item_id, self.thinking)

    def _called(self, text: str) -> Event:
        try:
            name, arguments = read_call(text)
        except BadCall as error:
            raise BadFunctionCall(str(error)) from error
        if name not in self.offered:
            raise BadFunctionCall(f"the model called {name!r}, which was not offered")
        item_id = self.new_id("item") if self.entry.items else self.item_id
        call = FunctionCall(item_id, self.new_id("call"), name, arguments)
        return CallMade(self.response_id, call, self.conversation.extend(self.entry, call))

    def end(self, status: Status, reason: str | None, message: str | None, now: float) -> Iterator[Event]:
        """Whatever became of it. What was told of it stays in the conversation.

        `entry` is not closed: of a spoken reply it may not be known yet how much will have been heard.
        """
        yield from self._thinking_done()
        text = self.heard(status, now)
        self.conversation.heard(self.item_id, text)
        yield ResponseDone(
            self.response_id,
            self.item_id,
            status,
            text,
            self.thinking,
            self.usage,
            replace(self.timings, done=self.since(now)),
            reason,
            message,
            self.request.metadata,
        )
