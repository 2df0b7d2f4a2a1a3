"""Bad clients, many at once, beside a good one: whom they disturb, and what they leave behind.

    python -m benchmarks.fuzz [--events 100000] [--clients 6] [--seed 1] [--url HTTP_URL | --model nano]

Over real sockets, random events are sent (`benchmarks.fuzz_events`): valid ones in any order, spoilt and
malformed ones, floods, binary messages, audio of any length. Some clients vanish, some never read, some
talk no WebSocket at all. Nobody waits for an answer. Beside them one conversation goes on that has to be
answered rightly all along. At the end nothing may be left: no request, task, session or place, and no
memory. Without --url and --model it is the server over a scripted engine, in this process, so that what is
left behind can be counted; with them the real one, where it is read from /metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import json
import logging
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import torch
from httpx import AsyncClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from benchmarks.endurance import resident
from benchmarks.fuzz_events import Mischief
from server.ask import realtime_url
from server.audio_file import read_pcm
from server.config import load
from server.serving import serve
from server.shutdown import Shutdown

RECORDING = Path(__file__).parent.parent / "server" / "demo.wav"
SILENCE = bytes(48_000)  # a second
EPISODE = (5, 400)  # events of one connection
SETTLE_SECONDS = 30.0  # for what was begun to come to an end
PAUSE_SECONDS = 0.25  # of the good client, between two turns
SAMPLES = 40  # of memory, over a run
RESUMABLE = {"type": "session.update", "session": {"type": "realtime", "soundmind": {"resume": True}}}
FINE = {1000, 1001, 1005, 1006, 1008, 1009, 1013}  # close codes that a bad client may get; 1011 is our fault


@dataclass
class Outcome:
    """What happened. `faults` is everything that must not."""

    events: int = 0
    connections: int = 0
    resumed: int = 0  # conversations that were gone on with
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of this process
    errors: Counter[str] = field(default_factory=Counter)  # told to the bad clients, by code
    closes: Counter[int] = field(default_factory=Counter)  # by the server, by code
    good_turns: int = 0
    good_seconds: list[float] = field(default_factory=list)  # from asking to the end of the answer
    memory: list[tuple[int, float]] = field(default_factory=list)  # events sent, MiB resident
    left: dict[str, float] = field(default_factory=dict)  # of each kind of thing, how many
    faults: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """KiB resident for a thousand events, over the second half of the run."""
        half = self.memory[len(self.memory) // 2 :]
        if len({events for events, _ in half}) < 2:
            return 0.0
        slope, _ = statistics.linear_regression(*zip(*half, strict=True))
        return slope * 1024 * 1000


# --- the bad clients ---


class Bad:
    """One after the other, connections that send so many events in all."""

    def __init__(self, url: str, seed: int, events: int, outcome: Outcome) -> None:
        self._url = url
        self._dice = random.Random(f"episodes {seed}")
        self._mischief = Mischief(seed)
        self._left = events
        self._outcome = outcome
        self._token = "nobodys"  # with which the last conversation that it may be is gone on with
        self._vanished = False  # without a farewell
        self._last = ""  # the newest event that came

    async def run(self) -> None:
        messages = iter(self._mischief)
        while self._left > 0:
            try:
                await self._episode(messages)
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
                pass  # it is the server's right to have enough of this client
            if self._dice.random() < 0.1:
                await self._no_websocket()

    async def _episode(self, messages: Iterator[str | bytes]) -> None:
        reads = self._dice.random() < 0.95
        ends = self._dice.choice(("close", "close", "vanish", "settle"))
        self._mischief.items, self._mischief.responses = ["nobody"], ["nothing"]
        queue = 16 if reads else 1  # messages that are taken from the socket without being read
        url = self._back() if self._dice.random() < (0.8 if self._vanished else 0.1) else self._url
        self._vanished = ends == "vanish"
        async with connect(url, proxy=None, max_size=None, compression=None, max_queue=queue) as ws:
            self._outcome.connections += 1
            reading = asyncio.create_task(self._read(ws)) if reads else None
            try:
                if self._vanished:
                    await ws.send(json.dumps(RESUMABLE))
                for _ in range(min(self._left, self._dice.randint(*EPISODE))):
                    await ws.send(next(messages))
                    self._left -= 1
                    self._outcome.events += 1
                    if self._dice.random() < 0.05:
                        await asyncio.sleep(self._dice.choice((0, 0.001, 0.01)))
                if ends in ("settle", "vanish"):
                    await asyncio.sleep(0.3)
                if ends == "vanish" or not reads:
                    ws.transport.abort()
                else:
                    await ws.close()  # while somebody reads what comes before the server's answer
            finally:
                if reading is not None:
                    reading.cancel()
                    await asyncio.wait([reading])
                if ws.close_code is not None:
                    self._closed(ws.close_code)

    def _back(self) -> str:
        """Where a conversation goes on; not always rightly asked for."""
        after = self._dice.choice((self._last, self._last, self._last, "", "event_0", "nothing"))
        token = self._token if self._dice.random() < 0.9 else "nobodys"
        return f"{self._url}?resume={token}&after={after}"

    def _closed(self, code: int) -> None:
        self._outcome.closes[code] += 1
        if code not in FINE:
            self._outcome.faults.append(f"a bad client was closed with {code}")

    async def _read(self, ws: ClientConnection) -> None:
        """Only what is needed of it is parsed."""
        with suppress(ConnectionClosed):
            async for message in ws:
                text = str(message)
                self._last = text.split('"', 8)[7]  # its event_id
                if text.startswith('{"type": "error"'):
                    self._outcome.errors[json.loads(text)["error"]["code"]] += 1
                elif text.startswith('{"type": "conversation.item.added"'):
                    self._mischief.items.append(json.loads(text)["item"]["id"])
                elif text.startswith('{"type": "soundmind.resumed"'):
                    self._outcome.resumed += 1
                elif text.startswith('{"type": "session.updated"') and '"token": "' in text:
                    self._token = json.loads(text)["session"]["soundmind"]["resume"]["token"]
                elif text.startswith('{"type": "response.created"'):
                    self._mischief.responses.append(json.loads(text)["response"]["id"])

    async def _no_websocket(self) -> None:
        """Something else than the protocol says, at the handshake or behind it."""
        where = urlsplit(self._url)
        _, writer = await asyncio.open_connection(where.hostname, where.port)
        upgrade = (
            f"GET {where.path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        hello = self._dice.choice(
            (
                b"",
                self._dice.randbytes(200),
                upgrade[: self._dice.randrange(len(upgrade))],
                upgrade,
                upgrade + self._dice.randbytes(100),
                upgrade + b"\x81\x05hello",  # a frame without its mask
            )
        )
        try:
            writer.write(hello)
            with suppress(OSError):
                await asyncio.wait_for(writer.drain(), 1)
                await asyncio.sleep(0.01)
        finally:
            writer.transport.abort()


# --- the good one ---


class Good:
    """One conversation that asks the same again and again, and is to get the same answer."""

    def __init__(self, url: str, audio: bytes, answer: Callable[[str], bool], outcome: Outcome) -> None:
        self._url = url
        self._audio = base64.b64encode(audio).decode()
        self._answer = answer
        self._outcome = outcome

    async def run(self, others: asyncio.Task[None]) -> None:
        """As long as the others do their mischief, and once more."""
        session = {"type": "realtime", "output_modalities": ["text"]}
        async with connect(self._url, proxy=None, max_size=None, compression=None) as ws:
            await ws.send(json.dumps({"type": "session.update", "session": session}))
            while True:
                last = others.done()
                await self._turn(ws)
                if last:
                    return
                await asyncio.sleep(PAUSE_SECONDS)

    async def _turn(self, ws: ClientConnection) -> None:
        began = time.monotonic()
        await ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": self._audio}))
        told: list[str] = []
        while (event := json.loads(await ws.recv()))["type"] != "response.done":
            told.append(event["type"])
            if event["type"] == "error":
                self._outcome.faults.append(f"the good client was told {event['error']['code']}")
        self._outcome.good_turns += 1
        self._outcome.good_seconds.append(time.monotonic() - began)
        response = event["response"]
        if response["status"] != "completed":
            self._outcome.faults.append(f"a good turn ended {response['status']}")
        elif not self._answer(words := said(response)):
            self._outcome.faults.append(f"a good turn was answered {words!r}")
        once = ("speech_started", "speech_stopped", "committed")
        if [told.count(f"input_audio_buffer.{kind}") for kind in once] != [1, 1, 1]:
            self._outcome.faults.append(f"a good turn was told as {told}")


def said(response: dict[str, Any]) -> str:
    parts = [part for item in response["output"] for part in item.get("content", ())]
    return "".join(part.get("transcript") or part.get("text") or "" for part in parts)


# --- a run ---


@contextmanager
def complaints(outcome: Outcome) -> Iterator[None]:
    """Whatever this process logs as an error is a fault."""

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            why = record.exc_info[1] if record.exc_info else ""
            outcome.faults.append(f"{record.name}: {record.getMessage()} {why!r}")

    handler = Listening(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


async def attack(
    url: str,
    events: int,
    clients: int,
    seed: int,
    memory: Callable[[], float],
    good: tuple[bytes, Callable[[str], bool]],
    outcome: Outcome,
) -> None:
    """The bad clients, beside the good one, whose audio and right answer these are. `memory`: MiB."""
    address, began, used = realtime_url(url), time.monotonic(), time.process_time()

    async def mischief() -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(clients):
                share = events // clients + (n < events % clients)
                tasks.create_task(Bad(address, seed * 1000 + n, share, outcome).run())

    async def watch(others: asyncio.Task[None]) -> None:
        step, due = events / SAMPLES, 0.0
        while not others.done():
            if outcome.events >= due:
                outcome.memory.append((outcome.events, memory()))
                due = outcome.events + step
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        others = tasks.create_task(mischief())
        tasks.create_task(watch(others))
        tasks.create_task(Good(address, *good, outcome).run(others))
    outcome.seconds, outcome.cpu_seconds = time.monotonic() - began, time.process_time() - used


async def settled(left: Callable[[], Awaitable[dict[str, float]]], outcome: Outcome) -> None:
    """Wait until nothing is left, or for as long as that may take."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            while any((await left()).values()):  # noqa: ASYNC110  no event tells of it
                await asyncio.sleep(0.05)
    outcome.left = await left()
    outcome.faults += [f"{count:g} {what} left behind" for what, count in outcome.left.items() if count]


# --- the scripted server, in this process ---


def tone(ms: int) -> bytes:
    return bytes((16_000 * np.sin(np.arange(ms * 24) * 0.05)).astype("<i2").tobytes())


async def scripted(events: int, clients: int, seed: int) -> Outcome:
    """Over an engine that replies by rote. What is left behind is counted object by object."""
    from server.connection import Connection
    from server.metrics import Metrics
    from streaming.session import Session
    from tests.scripted import REPLY
    from tests.server.scripted_server import Rote, running

    torch.set_num_threads(1)  # as the real engine does
    outcome, engine = Outcome(), Rote(places=2 * clients + 1)
    process = psutil.Process()
    before = asyncio.all_tasks()
    wanted = "".join(REPLY[3:])
    good = tone(900) + SILENCE, lambda words: words == wanted
    with complaints(outcome):
        async with running(engine) as (url, served):

            async def left() -> dict[str, float]:
                gc.collect()
                alive = Counter(type(thing) for thing in gc.get_objects())
                return {
                    "engine requests": engine.running(),
                    "places": 2 * clients + 1 - engine.places,
                    "sessions of accounts": sum(account.sessions for account in served.accounts.values()),
                    "sessions in the metrics": sessions(served.metrics),
                    "session objects": alive[Session],
                    "connection objects": alive[Connection],
                    "voices speaking": served.voice.listening,
                    "tasks": len(asyncio.all_tasks() - before) - served.tasks,
                }

            def sessions(metrics: Metrics) -> float:
                return metrics.registry.get_sample_value("soundmind_sessions") or 0.0

            def memory() -> float:
                return float(process.memory_info().rss) / 2**20

            await attack(url, events, clients, seed, memory, good, outcome)
            await settled(left, outcome)
    return outcome


# --- a real server ---


async def real(url: str, events: int, clients: int, seed: int) -> Outcome:
    """Over a server of this machine with the model nano. What is left behind is read from /metrics."""
    outcome = Outcome()
    heard = read_pcm(RECORDING) + SILENCE

    async def value(name: str) -> float:
        async with AsyncClient(base_url=url, trust_env=False) as client:
            text = (await client.get("/metrics")).text
        return float(dict(line.rsplit(" ", 1) for line in text.splitlines())[name])

    async def left() -> dict[str, float]:
        return {
            "engine requests": await value("soundmind_engine_requests"),
            "sessions": await value("soundmind_sessions"),
        }

    good = heard, lambda words: "13" in words
    await attack(url, events, clients, seed, lambda: resident(url), good, outcome)
    await settled(left, outcome)
    return outcome


# --- what is told of it ---


def table(outcome: Outcome, title: str) -> str:
    waits = sorted(outcome.good_seconds)
    p95 = waits[min(len(waits) - 1, int(len(waits) * 0.95))] if waits else 0.0
    first, last = outcome.memory[0][1], outcome.memory[-1][1]
    rows = {
        "events sent": f"{outcome.events}",
        "connections": f"{outcome.connections}",
        "conversations gone on with over another": f"{outcome.resumed}",
        "seconds": f"{outcome.seconds:.0f}, of which {outcome.cpu_seconds:.0f} on the CPU of this process",
        "events a second": f"{outcome.events / outcome.seconds:.0f}",
        "good turns, all answered rightly": f"{outcome.good_turns}",
        "wait for a good answer, median and 95 %": f"{statistics.median(waits):.2f} s, {p95:.2f} s",
        "memory, first and last": f"{first:.0f} MiB, {last:.0f} MiB",
        "growth over the second half": f"{outcome.growth:+.1f} KiB for 1000 events",
        "left behind": ", ".join(f"{what} {count:g}" for what, count in outcome.left.items()),
        "faults": "none" if not outcome.faults else "; ".join(sorted(set(outcome.faults))[:20]),
    }
    lines = [f"## {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    for name, counts in (("errors told", outcome.errors), ("closed by, and as", outcome.closes)):
        lines.append(f"| {name} | {', '.join(f'{code} × {count}' for code, count in counts.most_common())} |")
    return "\n".join(lines) + "\n"


async def measure(given: argparse.Namespace) -> Outcome:
    run = given.events, given.clients, given.seed
    if given.url:
        return await real(given.url, *run)
    if given.model is None:
        return await scripted(*run)
    outcomes: list[Outcome] = []

    async def visit(url: str) -> None:
        outcomes.append(await real(url, *run))

    await serve(load({"model": given.model, "port": 0}, {}, None), print, Shutdown(), visit, stay=False)
    return outcomes[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Bad clients beside a good one.")
    parser.add_argument("--url", help="a server of nano on this machine")
    parser.add_argument("--model", help="start a real server with this model (nano)")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    outcome = asyncio.run(measure(given))
    name = "fuzz" if given.url is None and given.model is None else "fuzz-real"
    title = f"{outcome.events} events of {given.clients} bad clients, seed {given.seed}"
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{name}.json").write_text(json.dumps(vars(outcome)) + "\n")
    (given.out / f"{name}.md").write_text(table(outcome, title))
    print(table(outcome, title))
    if outcome.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
