"""One caller: the calls of its schedule, one after the other, and what came of every turn.

It says a turn when it is due, or as soon as the reply before has come where that is late; the wait counts
from when the turn would have been over had it been said when it was due. A turn that gets no whole reply in
time is lost, and so is what was still to be said in that call: the caller hangs up, and calls again when its
next call is due. What a turn comes to is never dropped, so that a server that gives up does not look fast.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from server.load.ledger import Ledger, Reply, Said, Status
from server.load.lines import Line, Take, Unreachable
from server.load.questions import Question, hesitating
from server.load.schedule import CUT_IN, PAUSE, Call, Turn

PATIENCE = 30.0  # seconds for a reply to be complete, from when the turn was over
CONFIGURE_SECONDS = 15.0

Wire = dict[str, Any]
Connect = Callable[[Take], AbstractAsyncContextManager[Line]]


@dataclass(frozen=True)
class Manner:
    """What a caller asks of its sessions."""

    spoken: bool = False  # replies
    tools: Sequence[Wire] = ()
    instructions: str | None = None
    effort: str | None = None

    def session(self, offers: bool) -> Wire:
        wanted: Wire = {"type": "realtime", "output_modalities": ["audio" if self.spoken else "text"]}
        if offers:
            wanted["tools"] = list(self.tools)
        if self.instructions is not None:
            wanted["instructions"] = self.instructions
        if self.effort is not None:
            wanted["reasoning"] = {"effort": self.effort}
        return wanted


class Lost(Exception):
    """The reply has not come; one line that says why."""


class Caller:
    def __init__(
        self,
        number: int,
        connect: Connect,
        questions: Sequence[Question],
        manner: Manner,
        told: Callable[[Said], None],
        patience: float = PATIENCE,
    ) -> None:
        self._number = number
        self._connect = connect
        self._questions = questions
        self._manner = manner
        self._told = told
        self._patience = patience
        self._ledger = Ledger()
        self._news = asyncio.Event()
        self.sent = self.tardy = 0  # packets, and how many of them too late

    async def run(self, calls: Sequence[Call], start: float) -> None:
        """`start`: the loop's time from which the schedule counts."""
        self._start, self._now = start, asyncio.get_running_loop().time
        for call in calls:
            await asyncio.sleep(start + call.at - self._now())
            await self._call(call)

    async def _call(self, call: Call) -> None:
        self._ledger = ledger = Ledger()
        turns = list(call.turns)
        status: Status = "refused"
        why = ""
        try:
            async with self._connect(self._take) as line:
                try:
                    line.post({"type": "session.update", "session": self._manner.session(call.tools)})
                    await self._until(lambda: ledger.configured, CONFIGURE_SECONDS)
                    status = "lost"
                    while turns:
                        await self._turn(line, turns[0])
                        turns.pop(0)
                finally:
                    self.sent += line.microphone.sent
                    self.tardy += line.microphone.tardy
        except (Unreachable, Lost) as error:
            why = ledger.error or str(error)
        for turn in turns:
            name = self._questions[turn.question].name
            self._told(Said(self._number, turn.kind, name, turn.at, 0.0, status, why=why))

    def _take(self, event: Wire) -> None:
        self._ledger.take(event, self._now())
        self._news.set()

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Raises Lost."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    if self._ledger.error is not None:
                        raise Lost(self._ledger.error)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise Lost("no reply in time" if self._ledger.configured else "no session in time") from None

    # --- a turn ---

    async def _turn(self, line: Line, turn: Turn) -> None:
        """Raises Lost."""
        ledger, question = self._ledger, self._questions[turn.question]
        pause = turn.kind == "pause"
        pcm = hesitating(question, turn.chance) if pause else question.pcm
        seconds = question.seconds + (PAUSE if pause else 0.0)
        cut = ledger.newest if turn.kind == "barge-in" else None
        if turn.kind == "barge-in":
            await asyncio.sleep(CUT_IN[0] + (CUT_IN[1] - CUT_IN[0]) * turn.chance)
        else:
            await asyncio.sleep(self._start + turn.at - self._now())
            await self._until(lambda: not ledger.pending, self._patience)
        answered, heard = len(ledger.replies), len(ledger.starts)
        began = await line.say(pcm)
        due = self._start + turn.at if cut is None else began  # when to cut in was the server's to say
        over = due + seconds
        left = over + self._patience - self._now()
        if turn.kind == "interrupted":
            await self._until(lambda: len(ledger.replies) > answered and ledger.replies[-1].begun, left)
            self._tell(turn, began - due, over, ledger.replies[-1], "cut")
            return
        await self._until(lambda: len(ledger.replies) > answered and not ledger.pending, left)
        reply, first = ledger.replies[-1], ledger.replies[-1]
        right = question.right(reply.text)
        if question.call is not None:
            right = question.called(reply.calls)
            if right:
                reply = await self._give_back(line, question, reply)
                right = question.right(reply.text)
        if reply.status != "completed":
            raise Lost(f"{reply.status}: {reply.reason}")
        stop = None
        if cut is not None and cut.status == "cancelled" and len(ledger.starts) > heard:
            stop = 1000 * (ledger.starts[heard] - began - question.onset)
        self._tell(turn, began - due, over, first, "right" if right else "wrong", stop, reply.text)

    async def _give_back(self, line: Line, question: Question, reply: Reply) -> Reply:
        """What the tool says, and the reply to that."""
        item = {
            "type": "function_call_output",
            "call_id": reply.calls[0]["call_id"],
            "output": question.result,
        }
        answered = len(self._ledger.replies)
        line.post({"type": "conversation.item.create", "item": item})
        line.post({"type": "response.create"})
        await self._until(
            lambda: len(self._ledger.replies) > answered and not self._ledger.pending, self._patience
        )
        return self._ledger.replies[-1]

    def _tell(
        self,
        turn: Turn,
        behind: float,
        over: float,
        reply: Reply,
        status: Status,
        stop: float | None = None,
        text: str = "",
    ) -> None:
        def since(at: float | None) -> float | None:
            return None if at is None else round(1000 * (at - over), 1)

        self._told(
            Said(
                self._number,
                turn.kind,
                self._questions[turn.question].name,
                turn.at,
                round(1000 * behind, 1),
                status,
                since(reply.first_thought),
                since(reply.first_word),
                since(reply.first_audio),
                since(reply.ended),
                None if stop is None else round(stop, 1),
                reply=text,
            )
        )
