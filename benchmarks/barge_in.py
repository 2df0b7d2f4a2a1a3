"""How soon a spoken reply stops when the user cuts in, and which part of that is whose.

    python -m benchmarks.barge_in [--model nano] [--count 30] [--out benchmarks/results]

The whole server on a port of this machine, its engine and its voice, and a client that speaks recorded
questions over replies, in packets of 20 ms at speaking pace. Replies do not end by themselves here: a real
one of nano's is over in the engine before anybody could cut in. Everything is timed in the server, from the
arrival of the packet that begins with the first voiced sample:

- held: the detector has noticed a sound, and no more of the reply is told;
- judged: the sound has lasted for `interrupt_after_ms`, and the reply is cancelled;
- the last packet of sound handed to the socket, and the engine's request gone.

What is between arrival and held, and between held and judged, is the detector's: so much audio it has to
hear. The rest is the server's own. Raw numbers go to barge_in.json, the table to barge_in.md.
It knows nothing of the network between client and server.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.first_token import PACKET_MS, RECORDINGS
from model import checkpoint
from server.app import create_app
from server.observer import Observer
from server.serving import bind, listening
from streaming.context import Context
from streaming.engine import Delta, EngineStartError, Sampling, VllmEngine
from streaming.events import Event, ResponseDone, SessionSettings, SpeechStarted
from streaming.microphone import RATE_IN
from streaming.piper import piper
from streaming.session import Session
from streaming.supervisor import Supervisor
from streaming.turn import Happened
from streaming.vad import SpeechDetector
from streaming.warm_up import warm_up

PACKET = 2 * RATE_IN * PACKET_MS // 1000  # bytes
ACTIVE = "conversation_already_has_active_response"
LOUD = 0.02  # amplitude from which a recording is voiced
QUIET_MS = 900  # behind a question: its turn ends, and is replied to
SOUNDING = (0.5, 2.0)  # seconds of a reply before somebody cuts in
WAYS = {"400 ms (default)": 400, "0 ms": 0}  # interrupt_after_ms
TIMES = {
    "held": "first voiced sample to held: the detector has noticed a sound",
    "last_sound": "first voiced sample to the last sound sent (0: none was sent after it)",
    "late_sound": "held to the last sound sent: the server's own",
    "judged": "first voiced sample to cancelled: the sound has lasted long enough",
    "aborted": "first voiced sample to the engine's request gone",
    "abort": "cancelled to the engine's request gone: the server's own",
}


class Watch:
    """What happened when, of the barge-in that is under way."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def note(self, what: str) -> None:
        """The first time."""
        self.at.setdefault(what, time.perf_counter())

    def again(self, what: str) -> None:
        """The last time."""
        self.at[what] = time.perf_counter()


class Endless:
    """The engine, whose replies go on until somebody stops them."""

    def __init__(self, engine: VllmEngine, watch: Watch) -> None:
        self._engine = engine
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def generate(self, context: Context, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            max_tokens=sampling.max_tokens,
            min_tokens=sampling.max_tokens,
            temperature=1.0,
            stop_token_ids=[self._engine.prompt.eot],
            output_kind=RequestOutputKind.DELTA,
        )
        try:
            async with aclosing(self._engine._request(self._engine._input(context), params)) as outputs:
                async for output in outputs:
                    part = output.outputs[0]
                    yield Delta(part.text, len(part.token_ids), len(context), 0, part.finish_reason)
        finally:
            if "judged" in self._watch.at:
                self._watch.note("aborted")


class Watched(Session):
    """A session that tells when the voiced packet came, and when the reply was held."""

    watch: Watch
    voiced = b""  # the packet that begins with the first voiced sample

    async def listen(self, pcm: bytes) -> None:
        if pcm == Watched.voiced:
            self.watch.at.clear()
            self.watch.note("arrived")
        await super().listen(pcm)

    def _happened(self, event: Happened, *args: Any, **kwargs: Any) -> None:
        super()._happened(event, *args, **kwargs)
        if event is Happened.SOUND:
            self.watch.note("held")


class Caller:
    """A client that never stops sending, and notes what it is told."""

    def __init__(self, ws: ClientConnection) -> None:
        self._ws = ws
        self._to_say: list[bytes] = []
        self.sounding = asyncio.Event()
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def send(self, kind: str, **fields: Any) -> None:
        await self._ws.send(json.dumps({"type": kind, **fields}))

    def say(self, pcm: bytes) -> None:
        self._to_say = [pcm[at : at + PACKET].ljust(PACKET, b"\0") for at in range(0, len(pcm), PACKET)]

    async def speak(self) -> None:
        due = time.perf_counter()
        while True:
            packet = self._to_say.pop(0) if self._to_say else bytes(PACKET)
            await self.send("input_audio_buffer.append", audio=base64.b64encode(packet).decode())
            due += PACKET_MS / 1000
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def listen(self) -> None:
        async for message in self._ws:
            event = json.loads(message)
            if event["type"] == "error" and event["error"]["code"] != ACTIVE:
                raise RuntimeError(event["error"]["message"])
            if event["type"] == "response.created":
                self.sounding.clear()
                self.over = asyncio.get_running_loop().create_future()
            elif event["type"] == "response.output_audio.delta":
                self.sounding.set()
            elif event["type"] == "response.done" and not self.over.done():
                self.over.set_result(status := event["response"]["status"])
                self.sounding.clear()
                if status != "cancelled":  # the model wrote something that ends a reply all the same
                    await self.send("response.create")


def question(path: Path) -> bytes:
    """From its first voiced sample to its last."""
    samples, rate = soundfile.read(path, dtype="float32")
    voiced = np.flatnonzero(np.abs(samples) > LOUD)
    spoken = soxr.resample(samples[voiced[0] : voiced[-1]], rate, RATE_IN)
    return bytes((spoken * 32767).astype("<i2").tobytes())


async def barge_ins(url: str, interrupt_after_ms: int, count: int, watch: Watch) -> list[dict[str, float]]:
    """Milliseconds of each."""
    r = random.Random(1)
    questions = [question(path) for path in sorted(RECORDINGS.glob("*.wav")) if path.stem != "two-questions"]
    found: list[dict[str, float]] = []
    async with connect(f"{url}/v1/realtime", max_size=None) as ws, asyncio.TaskGroup() as tasks:
        caller = Caller(ws)
        session = {
            "type": "realtime",
            "reasoning": {"effort": "minimal"},
            "soundmind": {"interrupt_after_ms": interrupt_after_ms, "speculation": False},
        }
        await caller.send("session.update", session=session)
        others = [tasks.create_task(caller.listen()), tasks.create_task(caller.speak())]
        await caller.send("response.create")
        while len(found) < count:
            await caller.sounding.wait()
            await asyncio.sleep(r.uniform(*SOUNDING))
            if not caller.sounding.is_set():
                continue
            spoken = r.choice(questions)
            Watched.voiced = spoken[:PACKET]
            caller.say(spoken)
            cancelled = await caller.over == "cancelled"
            await asyncio.sleep(len(spoken) / PACKET * PACKET_MS / 1000 + QUIET_MS / 1000)
            if cancelled and {"arrived", "aborted"} <= watch.at.keys():
                found.append(times(watch))
                print(found[-1], flush=True)
        for task in others:
            task.cancel()
    return found


def times(watch: Watch) -> dict[str, float]:
    """Of one barge-in, in milliseconds. `held` is `judged` where a sound is judged at once."""
    at = watch.at
    arrived, held = at["arrived"], at.get("held", at["judged"])
    sound = at.get("sound", 0.0)
    return {
        "held": (held - arrived) * 1000,
        "last_sound": max(0.0, sound - arrived) * 1000,
        "late_sound": max(0.0, sound - held) * 1000,
        "judged": (at["judged"] - arrived) * 1000,
        "aborted": (at["aborted"] - arrived) * 1000,
        "abort": (at["aborted"] - at["judged"]) * 1000,
    }


async def measure(model: str, count: int) -> dict[str, Any]:
    watch = Watched.watch = Watch()
    raw: dict[str, Any] = {"model": model, "machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    raw["load"] = os.getloadavg()[0]
    send = WebSocket.send_text

    async def sent(self: WebSocket, data: str) -> None:
        await send(self, data)
        if '"response.output_audio.delta"' in data and "aborted" not in watch.at:
            watch.again("sound")

    WebSocket.send_text = sent  # type: ignore[assignment, method-assign]
    async with piper() as voice:
        engine = await VllmEngine.start(checkpoint.resolve(model))
        await warm_up(engine)
        await voice.ready()
        detector, endless = SpeechDetector(), Endless(engine, watch)

        def session(emit: Callable[[Event], None], settings: SessionSettings, observer: Observer) -> Session:
            def told(event: Event) -> None:
                if isinstance(event, SpeechStarted) or (
                    isinstance(event, ResponseDone) and event.status == "cancelled"
                ):
                    watch.note("judged")
                emit(event)

            return Watched(endless, detector, told, settings, voice=voice)

        app = create_app(Supervisor(engine, no_other), session, model=model, voices=voice.names)
        try:
            with bind("127.0.0.1", 0) as sock:
                async with listening(app, sock) as url:
                    raw["barge_ins"] = {
                        way: await barge_ins(url.replace("http", "ws", 1), ms, count, watch)
                        for way, ms in WAYS.items()
                    }
        finally:
            WebSocket.send_text = send  # type: ignore[method-assign]
            await engine.close()
    return raw


async def no_other() -> VllmEngine:
    raise EngineStartError("one engine is enough here")


def table(raw: dict[str, Any]) -> str:
    ways = raw["barge_ins"]
    heads = [f"{way}: p50, p95, most" for way in ways]
    rows = [
        f"Milliseconds, of {len(next(iter(ways.values())))} barge-ins each; by `interrupt_after_ms`.\n",
        f"| from, to | {' | '.join(heads)} |",
        "|---|" + "---|" * len(heads),
    ]
    for name, meaning in TIMES.items():
        cells = []
        for found in ways.values():
            values = [times[name] for times in found]
            cells.append(", ".join(f"{q:.0f}" for q in (*np.percentile(values, (50, 95)), max(values))))
        rows.append(f"| {meaning} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="How soon a spoken reply stops when the user cuts in.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--count", type=int, default=30, help="of each kind (default 30)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    raw = asyncio.run(measure(given.model, given.count))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "barge_in.json").write_text(json.dumps(raw, indent=1) + "\n")
    (given.out / "barge_in.md").write_text(table(raw))
    print(table(raw))


if __name__ == "__main__":
    main()
