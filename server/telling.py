"""What was told of responses that are not done, and what another server's narrator needs to go on with them.

Knows no session events but the one that begins a response, and no order of wire events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streaming import events as ev
from streaming.audio import Encoder

Wire = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What was told of one response that is not done."""

    started: ev.ResponseStarted
    thinking: str | None = None
    message: str | None = None
    text: str = ""
    output: tuple[Wire, ...] = ()


@dataclass(frozen=True)
class Narrated:
    """What another narrator needs to go on. `told`: events; `before`: of a message its predecessor."""

    conversation_id: str
    told: int
    incomplete: tuple[str, ...] = ()  # items
    tellings: tuple[Told, ...] = ()
    before: Mapping[str, str | None] = field(default_factory=dict)


class Telling:
    """What was told of one response that is not done."""

    def __init__(self, started: ev.ResponseStarted, conversation_id: str) -> None:
        self._started = started
        self._conversation_id = None if started.outside else conversation_id
        self.outside = started.outside
        self.spoken = started.spoken
        self.encoder = Encoder(started.speaks)
        self.thinking: str | None = None  # None: not begun, or done
        self.message: str | None = None  # the id of its message, while that is open
        self.text = ""  # of its message
        self.output: list[Wire] = []  # its items that are done

    def snapshot(self) -> Told:
        return Told(self._started, self.thinking, self.message, self.text, tuple(self.output))

    @classmethod
    def restored(cls, told: Told, narrated: Narrated) -> Telling:
        telling = cls(told.started, narrated.conversation_id)
        telling.thinking, telling.message, telling.text = told.thinking, told.message, told.text
        telling.output = list(told.output)
        return telling

    def response(self, status: str) -> Wire:
        metadata = self._started.metadata
        return {
            "object": "realtime.response",
            "id": self._started.response_id,
            "conversation_id": self._conversation_id,
            "status": status,
            "status_details": None,
            "output": list(self.output),
            "output_modalities": ["audio" if self.spoken else "text"],
            "max_output_tokens": self._started.max_output_tokens or "inf",
            "metadata": dict(metadata) if metadata is not None else None,
            "usage": None,
        }
