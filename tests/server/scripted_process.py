"""A whole server but for its engine, as a process of its own.

    python -m tests.server.scripted_process NAME PORT STORE

Its engine writes the same reply from wherever it is let, two letters every 50 ms, and hears loud for voiced.
Its voice is a tone. It ends as `soundmind serve` does: at SIGTERM it drains.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import cast

from server.app import create_app
from server.connection import LiveSession
from server.drain import Drain
from server.observer import Observer
from server.redis_store import RedisStore
from server.serving import bind, listening, stoppable, until_drained
from server.shutdown import Shutdown
from streaming.events import Event, SessionSettings
from streaming.session import Session
from streaming.vad import SpeechDetector
from tests.scripted import Loudness, ScriptedEngine
from tests.server.peer import Tone
from tests.streaming.test_session_engine import going_on

PIECE_SECONDS = 0.05
DRAIN_SECONDS = 20.0


class Pace(asyncio.Event):
    """Lets a piece through now and then."""

    def is_set(self) -> bool:
        return False

    async def wait(self) -> bool:  # type: ignore[override]
        await asyncio.sleep(PIECE_SECONDS)
        return True


async def main(name: str, port: int, store: str, shutdown: Shutdown) -> None:
    engine, drain, kept = ScriptedEngine(going_on), Drain(), RedisStore(store)
    engine.gate, voice = Pace(), Tone()
    await kept.ready()

    def session(emit: Callable[[Event], None], settings: SessionSettings, observer: Observer) -> LiveSession:
        detector = cast(SpeechDetector, Loudness())
        return Session(engine, detector, emit, settings, appended=observer.appended, voice=voice)

    app = create_app(
        engine,
        session,
        model="nano",
        voices=voice.names,
        store=kept,
        drain=drain,
        name=name,
        keys=["key"],
    )
    with bind("127.0.0.1", port) as sock:
        async with listening(app, sock) as url:
            print(f"listening on {url}", flush=True)
            with stoppable(shutdown):
                await until_drained(drain, DRAIN_SECONDS, shutdown)
                print("drained", flush=True)
    await kept.close()


if __name__ == "__main__":
    shutdown = Shutdown()
    shutdown.install()
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], shutdown))
