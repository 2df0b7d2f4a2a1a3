"""What speaks a reply: the interface that a session needs of a voice, whichever it is.

A voice is given one clause at a time and gives it back as sound, in one piece or several, with the moment at
which every word ends. Whoever stops listening stops it. Knows no replies and no wire.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from streaming.errors import SessionError
from streaming.spoken_text import Word

RATE = 24_000  # Hz, 16 bit, mono


class VoiceUnavailable(SessionError):
    """There is no voice, or it has broken down: replies can still be text."""

    code = "voice_unavailable"


@dataclass(frozen=True)
class Sound:
    """The next piece of a clause. `ends`: of the next words the samples at which they end, from its start."""

    pcm: bytes
    ends: tuple[int, ...]


class Voice(Protocol):
    @property
    def names(self) -> tuple[str, ...]:
        """Of the voices there are, the default first."""
        ...

    def say(self, words: Sequence[Word], name: str, speed: float) -> AsyncGenerator[Sound, None]:
        """Speak; the ends of all pieces together are those of the words. Raises VoiceUnavailable."""
        ...
