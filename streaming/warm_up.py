"""One turn that nobody speaks, before anybody may: what the engine and the voice do only the first time.

The first audio that an engine is sent costs it seconds (it imports, allocates and compiles then), and so does
the first word of a voice. Knows no sessions, and leaves no request behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np

from model.config import SAMPLE_RATE
from model.windows import Windows
from streaming.context import Context
from streaming.ear import Ear
from streaming.engine import Engine
from streaming.speaker import Manner, speak
from streaming.spoken_text import spoken
from streaming.voice import Voice

SECONDS = 2.0  # of quiet noise: longer than a window and what it looks ahead
TOKENS = 4


async def warm_up(engine: Engine) -> None:
    """Listen, ask for the end of the turn, think. Raises EngineUnavailable and Refused."""
    ear = Ear("warm-up", engine.prompt, engine.n_mels, Windows())
    noise = np.random.default_rng(0).normal(0.0, 0.01, int(SECONDS * SAMPLE_RATE)).astype(np.float32)
    heard = Context.of(engine.prompt.human_open()) + ear.hear(noise)

    async def appends() -> AsyncGenerator[Context, None]:
        yield heard

    async with aclosing(engine.listen(appends())) as confirmations:
        async for _ in confirmations:
            pass
    turn = heard + ear.end()
    await engine.ending(turn[:-1])
    asked = turn + Context.of(engine.prompt.human_close())
    async with aclosing(speak(engine, asked, Manner(thinking=True, max_tokens=TOKENS))) as steps:
        async for _ in steps:
            pass


async def try_voice(voice: Voice) -> None:
    """Have it say a word. Raises VoiceUnavailable."""
    async with aclosing(voice.say(spoken("Hello."), voice.names[0], 1.0)) as sounds:
        async for _ in sounds:
            pass
