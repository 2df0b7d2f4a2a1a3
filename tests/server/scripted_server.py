"""The whole server but for its engine, with all that it holds within reach: for runs of many sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from server.app import Accounts, create_app
from server.connection import LiveSession
from server.metrics import Metrics
from server.observer import Observer
from server.serving import bind, listening
from streaming.context import Context
from streaming.engine import Sampling
from streaming.events import Event, SessionSettings
from streaming.session import Session
from streaming.vad import SpeechDetector
from tests.scripted import REPLY, Loudness, ScriptedEngine
from tests.streaming.talk import text_of
from tests.voices import ScriptedVoice

CALL = ("hm\n</think>\n", "I look. ", "<tool_call>function\nf\n", "{}</tool_call>")


def by_rote(context: Context, sampling: Sampling) -> tuple[str, ...]:
    """The usual reply; where tools are offered, mostly a call of one."""
    return CALL if "tool_json_schemas" in text_of(context) and len(context) % 3 else REPLY


class Newest(list[Context]):
    """Remembers little: a run is long."""

    def append(self, context: Context) -> None:
        super().append(context)
        del self[:-4]


class Rote(ScriptedEngine):
    def __init__(self, places: int) -> None:
        super().__init__(by_rote, max_tokens=1024)
        self._places = places
        self.requests, self.asked = Newest(), Newest()

    @property
    def places(self) -> int:
        """That are free."""
        return self._places

    async def listen(self, appends: AsyncGenerator[Context, None]) -> AsyncGenerator[float | None, None]:
        confirmed = super().listen(appends)
        try:
            async for over in confirmed:
                self.appends[-1][:-1] = []
                yield over
        finally:
            await confirmed.aclose()
            del self.appends[:-1]


@dataclass(frozen=True)
class Held:
    accounts: Accounts
    metrics: Metrics
    voice: ScriptedVoice
    tasks: int  # that the server itself has


@asynccontextmanager
async def running(
    engine: ScriptedEngine, detector: SpeechDetector | Loudness | None = None
) -> AsyncIterator[tuple[str, Held]]:
    """Gives http://HOST:PORT and what to look at. `detector`: None, what is loud is speech."""
    voice = ScriptedVoice()

    def session(emit: Callable[[Event], None], settings: SessionSettings, observer: Observer) -> LiveSession:
        return Session(
            engine,
            cast(SpeechDetector, detector or Loudness()),
            emit,
            settings,
            appended=observer.appended,
            speculated=observer.speculated,
            voice=voice,
        )

    before = asyncio.all_tasks()
    app = create_app(engine, session, model="nano", voices=voice.names, resume_seconds=2.0)
    served = app.state.served
    with bind("127.0.0.1", 0) as sock:
        async with listening(app, sock) as url:
            await asyncio.sleep(0.05)
            tasks = len(asyncio.all_tasks() - before)
            yield url, Held(served.accounts, served.metrics, voice, tasks)
