"""What the server's events come to for one caller: its replies, and when each sign of them came.

Times are arguments, in seconds. What is measured is what a caller notices; what the server says of its own
times is passed over. Pure: knows no sockets and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from server.load.schedule import Kind
from server.turns import Turns

Wire = dict[str, Any]
Status = Literal["right", "wrong", "lost", "refused", "cut"]
WORDS = {
    "response.output_text.delta",
    "response.output_audio_transcript.delta",
    "response.function_call_arguments.delta",
}


@dataclass
class Reply:
    """One response. `first_word` is that of the reply or of a call, whichever comes first."""

    id: str
    first_thought: float | None = None
    first_word: float | None = None
    first_audio: float | None = None
    ended: float | None = None
    status: str = ""
    text: str = ""
    calls: list[Wire] = field(default_factory=list)
    reason: str = ""  # why it is not complete

    @property
    def begun(self) -> bool:
        return (self.first_thought, self.first_word, self.first_audio) != (None, None, None)


@dataclass(frozen=True)
class Said:
    """One turn and what came of it. Times in ms from when the turn should have been over; None: never."""

    caller: int
    kind: Kind
    question: str
    due: float  # seconds from the start of the run
    behind: float  # ms that it was said too late
    status: Status
    first_thought: float | None = None
    first_word: float | None = None
    first_audio: float | None = None
    done: float | None = None
    stop: float | None = None  # ms from the first voiced sample of a barge-in to the word that it was heard
    why: str = ""
    reply: str = ""


class Ledger:
    def __init__(self) -> None:
        self._turns = Turns(transcripts=False)
        self._open: dict[str, Reply] = {}
        self.replies: list[Reply] = []
        self.starts: list[float] = []  # when the server said that somebody speaks
        self.configured = False
        self.error: str | None = None  # the first that was told, by its code

    @property
    def pending(self) -> bool:
        """Somebody speaks as the server sees it, or a reply is to come."""
        return self._turns.pending or bool(self._open)

    @property
    def newest(self) -> Reply | None:
        return self.replies[-1] if self.replies else None

    def take(self, event: Wire, now: float) -> None:
        self._turns.take(event)
        kind = event["type"]
        match kind:
            case "session.updated":
                self.configured = True
            case "error":
                self.error = self.error or str(event["error"].get("code") or event["error"]["message"])
            case "input_audio_buffer.speech_started":
                self.starts.append(now)
            case "response.created":
                reply = Reply(event["response"]["id"])
                self.replies.append(reply)
                self._open[reply.id] = reply
            case "response.done":
                self._done(event["response"], now)
            case _ if reply := self._open.get(event.get("response_id", "")):  # type: ignore[assignment]
                self._told(reply, kind, now)

    def _told(self, reply: Reply, kind: str, now: float) -> None:
        if kind == "response.reasoning_text.delta":
            reply.first_thought = reply.first_thought or now
        elif kind in WORDS:
            reply.first_word = reply.first_word or now
        elif kind in ("response.output_audio.delta", "output_audio_buffer.started"):
            reply.first_audio = reply.first_audio or now

    def _done(self, response: Wire, now: float) -> None:
        reply = self._open.pop(response["id"], None)
        if reply is None:
            return
        reply.ended, reply.status = now, response["status"]
        reply.text = said(response)
        reply.calls = [item for item in response["output"] if item["type"] == "function_call"]
        details = response.get("status_details") or {}
        reply.reason = str((details.get("error") or {}).get("code") or details.get("reason") or "")


def said(response: Wire) -> str:
    """The words of a response, spoken or not."""
    parts = [part for item in response["output"] for part in item.get("content", ())]
    return "".join(part.get("transcript") or part.get("text") or "" for part in parts)
