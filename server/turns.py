"""A client's account of a conversation: from the server's events, which turns there were and what is pending.

Pure: knows no sockets, no clock and no printing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

TIMINGS = ("turn_ended_ms", "first_thinking_ms", "first_reply_ms", "done_ms")


@dataclass
class Turn:
    """One spoken turn and the reply to it. `heard` is None as long as no transcript has come."""

    item_id: str
    heard: str | None = None
    thinking: str = ""
    reply: str = ""
    status: str | None = None  # of the reply; None: it has not ended
    error: str | None = None  # why it failed
    timings: dict[str, float | None] = field(default_factory=dict)
    transcribed: bool = False  # or given up


class Turns:
    def __init__(self, transcripts: bool) -> None:
        """`transcripts`: a turn is over only when its transcript has come, too."""
        self._transcripts = transcripts
        self._speaking = False
        self._replies: dict[str, Turn] = {}
        self.turns: list[Turn] = []

    @property
    def pending(self) -> bool:
        """Somebody speaks, or something is still to come."""
        return self._speaking or any(
            turn.status is None or (self._transcripts and not turn.transcribed) for turn in self.turns
        )

    def take(self, event: dict[str, Any]) -> None:
        """One server event; those that say nothing about turns are passed over."""
        kind = event["type"]
        match kind:
            case "input_audio_buffer.speech_started":
                self._speaking = True
            case "input_audio_buffer.cleared":
                self._speaking = False
            case "input_audio_buffer.committed":
                self._speaking = False
                self.turns.append(Turn(event["item_id"]))
            case "response.created":
                if self.turns:
                    self._replies[event["response"]["id"]] = self.turns[-1]
            case "response.done":
                self._ended(event["response"])
            case _ if kind.startswith("conversation.item.input_audio_transcription."):
                self._transcript(event)
            case _ if reply := self._replies.get(event.get("response_id", "")):
                self._told(reply, event)

    def _transcript(self, event: dict[str, Any]) -> None:
        for turn in self.turns:
            if turn.item_id == event["item_id"] and not event["type"].endswith(".delta"):
                turn.heard, turn.transcribed = event.get("transcript"), True

    def _told(self, turn: Turn, event: dict[str, Any]) -> None:
        match event["type"]:
            case "response.reasoning_text.delta":
                turn.thinking += event["delta"]
            case "response.output_text.delta":
                turn.reply += event["delta"]
            case "soundmind.timings":
                turn.timings = {name: event[name] for name in TIMINGS}

    def _ended(self, response: dict[str, Any]) -> None:
        turn = self._replies.pop(response["id"], None)
        if turn is not None:
            turn.status = response["status"]
            turn.error = ((response.get("status_details") or {}).get("error") or {}).get("message")

    def summary(self) -> dict[str, Any]:
        """All turns, and the last one's own fields beside them: most files hold one."""
        turns = [asdict(turn) for turn in self.turns]
        for turn in turns:
            del turn["transcribed"]
        last = turns[-1] if turns else asdict(Turn(""))
        names = ("heard", "thinking", "reply", "status", "timings")
        return {"type": "summary", **{name: last[name] for name in names}, "turns": turns}
