"""A voice with the real interface that makes its sound by rule: a tenth of a second a letter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from streaming.spoken_text import Word
from streaming.voice import RATE, Sound, VoiceUnavailable

LETTER = RATE // 10  # samples


class ScriptedVoice:
    """It keeps what it was asked for, counts who listens, and breaks down where a test says so."""

    def __init__(self, names: tuple[str, ...] = ("ann", "bob"), breaks_at: str = "\0") -> None:
        self.names = names
        self.said: list[tuple[str, str, float]] = []
        self.listening = 0
        self.gate: asyncio.Event | None = None  # when set, the second sentence waits for it
        self._breaks_at = breaks_at

    async def say(self, words: Sequence[Word], name: str, speed: float) -> AsyncGenerator[Sound, None]:
        self.said.append((" ".join(word.text for word in words), name, speed))
        self.listening += 1
        try:
            at = 0
            for word in words:
                await asyncio.sleep(0)
                if self.gate is not None:
                    await self.gate.wait()
                if word.text == self._breaks_at:
                    raise VoiceUnavailable("the voice broke down while it spoke")
                samples = int(LETTER * len(word.text) / speed)
                at += samples
                yield Sound(b"\1\2" * samples, (at,))
        finally:
            self.listening -= 1
