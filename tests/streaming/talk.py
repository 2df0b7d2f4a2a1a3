"""A session under test over a scripted engine, and somebody who speaks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from streaming.context import Context
from streaming.events import Event, SessionSettings
from streaming.parking import Parking
from streaming.session import Session
from streaming.vad import SpeechDetector
from tests.scripted import Loudness, ScriptedEngine
from tests.voices import ScriptedVoice

E = TypeVar("E")
PACKET = 480  # samples at 24 kHz: 20 ms


class Talk:
    """A session under test: what it told, and somebody who speaks to it."""

    def __init__(
        self,
        engine: ScriptedEngine,
        settings: SessionSettings,
        voice: ScriptedVoice | None = None,
        detector: SpeechDetector | None = None,
        patience: float = 120.0,
        parking: Parking | None = None,
    ) -> None:
        self.engine = engine
        self.events: list[Event] = []
        self.now = 0.0
        self.promoted: list[bool] = []  # for each speculation, whether it became a reply
        self.wasted = 0  # tokens
        self.parked: list[bool] = []  # that it was, and that it was no longer
        self.session = Session(
            engine,
            detector or cast(SpeechDetector, Loudness()),
            self.events.append,
            settings,
            speculated=self._speculated,
            parked=self.parked.append,
            parking=parking,
            voice=voice,
            patience=patience,
            clock=lambda: self.now,
        )

    def _speculated(self, promoted: bool, tokens: int) -> None:
        self.promoted.append(promoted)
        self.wasted += 0 if promoted else tokens

    def of(self, kind: type[E]) -> list[E]:
        return [e for e in self.events if isinstance(e, kind)]

    async def send(self, ms: int, amplitude: float) -> None:
        await self.sound(amplitude * np.sin(np.arange(ms * 24) * 0.05))

    async def sound(self, samples: NDArray[np.floating]) -> None:
        """At 24 kHz, in -1 to 1."""
        pcm = (samples * 32767).astype("<i2").tobytes()
        for at in range(0, len(pcm), 2 * PACKET):
            self.session.append_audio(pcm[at : at + 2 * PACKET])
            self.now += 0.02
            await asyncio.sleep(0)

    async def speak(self, ms: int = 900) -> None:
        await self.send(ms, 0.5)

    async def pause(self, ms: int = 800) -> None:
        await self.send(ms, 0.0)

    async def settle(self) -> None:
        for _ in range(100):
            await asyncio.sleep(0)


@asynccontextmanager
async def talk(
    engine: ScriptedEngine | None = None,
    settings: SessionSettings | None = None,
    voice: ScriptedVoice | None = None,
    detector: SpeechDetector | None = None,
    patience: float = 120.0,
) -> AsyncIterator[Talk]:
    made = Talk(engine or ScriptedEngine(), settings or SessionSettings(), voice, detector, patience)
    async with live(made):
        yield made


@asynccontextmanager
async def live(made: Talk) -> AsyncIterator[None]:
    task = asyncio.create_task(made.session.run())
    try:
        await made.settle()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert made.engine.running() == 0  # whatever happened, no request is left


def text_of(context: Context) -> str:
    """What of it is text."""
    return bytes(i for i in context.ids if i < 256).decode()
