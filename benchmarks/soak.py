"""Hours of callers, one in ten of them rude, and an engine that is killed: what grows, and what is lost.

    python -m benchmarks.soak [--minutes 120] [--callers 10] [--kill 10] [--overcommit 1] [--out …/results]

One server, started as a user starts it, with a cache that holds little more than these callers, or less than
they (`--overcommit`: some of them have to be parked then), and a log on a full disk. The good callers are
those of `soundmind bench load`; the rude ones cut their lines, flood, talk nonsense (`benchmarks.fuzz`), open
sockets and leave them half open, cut in all the time, and have audio clocks that jump. The engine is killed
every so often. Every few seconds memory, descriptors, threads, tasks, KV blocks and engine requests are
sampled and, at the end, drawn.

What must hold: no conversation of a good caller is lost, at most 2 % of their turns are answered wrongly,
nothing is left once all have hung up, and everything sampled is flat: the median of the last quarter of the
samples exceeds that of the second by no more than `FLAT` says (the first quarter is a start-up's).
It knows nothing of the machine's own clock, which no process may turn back for another.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import math
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from httpx import AsyncClient, HTTPError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from benchmarks.engine_kill import kill_engine
from benchmarks.fuzz import Bad, Outcome, settled
from server.ask import realtime_url
from server.audio_file import read_pcm
from server.load.caller import Caller, Manner
from server.load.ledger import Said
from server.load.lines import append, packets
from server.load.picture import Chart, svg
from server.load.questions import PACKAGED, Question, questions
from server.load.run import Target, started
from server.load.schedule import Load, schedule
from server.load.usage import family, role

RUDE = 10  # one in so many
SAMPLES = 240  # over a run
PATIENCE = 300.0  # seconds for a reply: an engine may have to start anew for it
WRONG = 0.02  # share of turns
RESUME_SECONDS = 5.0  # that a conversation is kept whose line was cut
HELD = 6  # places that one rude caller may come to hold: with lines that were cut, and half-open ones
DOWN = "engine_unavailable"  # a call that comes while there is no engine is told to come back later
TOKENS = 2048  # of one conversation at most: places in the cache are counted in these
BLOCK = 32
GAUGES = {
    "tasks": "soundmind_tasks",
    "sessions": "soundmind_sessions",
    "requests": "soundmind_engine_requests",
    "kv": "soundmind_kv_usage_ratio",
    "generation": "soundmind_engine_generation",
    "parked": "soundmind_parked_listeners",
}
# How much more the last quarter may have than the second: so much, and such a share of it.
FLAT = {
    "server_mib": (30.0, 0.05),
    "engine_mib": (60.0, 0.05),
    "descriptors": (8.0, 0.1),
    "threads": (4.0, 0.1),
    "tasks": (10.0, 0.1),
    "requests": (3.0, 0.1),
    "kv": (0.1, 0.1),
}
Sample = dict[str, float]


@dataclass
class Soak:
    """What happened."""

    minutes: float
    samples: list[Sample] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    rude: Outcome = field(default_factory=Outcome)
    kills: int = 0
    half_open: int = 0

    @property
    def faults(self) -> list[str]:
        found = [
            f"a turn was {one.status}: {one.why}"
            for one in self.said
            if one.status == "lost" or (one.status == "refused" and one.why != DOWN)
        ]
        wrong = sum(one.status == "wrong" for one in self.said)
        if wrong > WRONG * max(1, len(self.said)):
            found.append(f"{wrong} of {len(self.said)} turns were answered wrongly")
        rude = self.rude.faults
        if not self.rude.errors["server_error"]:  # then 1011 was for an engine that was not there
            rude = [fault for fault in rude if not fault.endswith("closed with 1011")]
        return found + grown(self.samples) + rude


def grown(samples: Sequence[Sample]) -> list[str]:
    """What is not flat, by the rule of `FLAT`; nothing of too few samples."""
    quarter = len(samples) // 4
    if quarter < 3:
        return []
    found = []
    for name, (much, share) in FLAT.items():
        second, last = (
            statistics.median(sample[name] for sample in part if name in sample)
            for part in (samples[quarter : 2 * quarter], samples[-quarter:])
        )
        if last > second + much + share * second:
            found.append(f"{name} rose from {second:.4g} to {last:.4g}")
    return found


# --- the rude ---


class Rude:
    """Whatever a caller should not do, one thing after the other."""

    def __init__(self, url: str, seed: int, soak: Soak) -> None:
        self._url, self._soak = url, soak
        self._seed = seed
        self._dice = random.Random(f"rude {seed}")
        self._speech = read_pcm(next(PACKAGED.glob("sum.*")))

    async def run(self) -> None:
        ways = (self._fuzz, self._half_open, self._jump, self._cut_in)
        while True:
            with suppress(ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
                await self._dice.choice(ways)()
            await asyncio.sleep(self._dice.uniform(1, 5))

    async def _fuzz(self) -> None:
        """Floods, nonsense, cut lines, and conversations gone on with."""
        self._seed += 1
        await Bad(self._url, self._seed, 200, self._soak.rude).run()

    async def _half_open(self) -> None:
        """A line that is there, and on which nobody is: nothing is read, nothing sent, no ping answered."""
        async with connect(self._url, proxy=None, max_queue=1, ping_interval=None, close_timeout=1) as ws:
            self._soak.half_open += 1
            ws.transport.pause_reading()
            await asyncio.sleep(self._dice.uniform(5, 60))
            ws.transport.abort()

    async def _jump(self) -> None:
        """An audio clock that stands still in the middle of a word, and then has seconds to make up for."""
        async with connect(self._url, proxy=None, max_size=None) as ws:
            parts = [append(packet) for packet in packets(self._speech)]
            for part in parts[: len(parts) // 2]:
                await ws.send(part)
                await asyncio.sleep(0.02)
            await asyncio.sleep(self._dice.uniform(0, 4))
            late = self._speech[len(self._speech) // 2 // 2 * 2 :] + bytes(48_000 * self._dice.randint(1, 8))
            await ws.send(
                json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(late).decode()})
            )
            await asyncio.sleep(2)

    async def _cut_in(self) -> None:
        """Question upon question, into whatever is being said."""
        async with connect(self._url, proxy=None, max_size=None) as ws:
            hearing = asyncio.create_task(_drain(ws))
            try:
                for _ in range(4):
                    for packet in packets(self._speech + bytes(48_000)):
                        await ws.send(append(packet))
                        await asyncio.sleep(0.02)
                    await asyncio.sleep(self._dice.uniform(0, 0.5))
            finally:
                hearing.cancel()
                await asyncio.wait([hearing])


async def _drain(ws: Any) -> None:
    with suppress(ConnectionClosed):
        async for _ in ws:
            pass


# --- what is watched ---


async def gauges(url: str) -> dict[str, float]:
    async with AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        text = (await client.get("/metrics")).text
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(told[metric]) for name, metric in GAUGES.items()}


async def sample(url: str, began: float) -> Sample:
    everyone = family(url)
    server = everyone[0]
    found: Counter[str] = Counter()
    for process in everyone:
        with suppress(psutil.NoSuchProcess):
            found[f"{role(process, server)}_mib"] += process.memory_info().rss / 2**20
    told = await gauges(url)
    return {
        "minutes": (time.monotonic() - began) / 60,
        "descriptors": server.num_fds(),
        "threads": server.num_threads(),
        **found,
        **told,
    }


async def watch(url: str, soak: Soak, began: float) -> None:
    every = max(2.0, soak.minutes * 60 / SAMPLES)
    while True:
        with suppress(HTTPError, psutil.Error):  # a server that is busy is asked again
            soak.samples.append(await sample(url, began))
        await asyncio.sleep(every)


async def kill(url: str, soak: Soak, minutes: float) -> None:
    """The engine, again and again, once it has come back."""
    server = family(url)[0]
    while True:
        await asyncio.sleep(minutes * 60)
        before = (await gauges(url))["generation"]
        kill_engine(server)
        soak.kills += 1
        while (await gauges(url))["generation"] == before:  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(1)


# --- a run ---


async def run(given: argparse.Namespace, say: Callable[[str], None]) -> Soak:
    """Against a server of its own."""
    places = math.ceil((given.callers + HELD * rude(given.callers)) / given.overcommit)
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--voice", "none"]
    command += ["--log-level", "info", "--", "--num-gpu-blocks-override", str(places * TOKENS // BLOCK)]
    full = ["sh", "-c", 'exec "$@" 2>/dev/full', "sh", *command]
    os.environ |= {
        "SOUNDMIND_ENGINE_PATIENCE_S": str(PATIENCE),
        "SOUNDMIND_RESUME_S": str(RESUME_SECONDS),
        "SOUNDMIND_OVERCOMMIT": str(given.overcommit),
    }
    async with started(full, say) as url:
        asked, tools = questions(PACKAGED)
        return await against(url, given, asked, Manner(tools=tools), say)


def rude(callers: int) -> int:
    return max(1, callers // RUDE)


async def against(
    url: str, given: argparse.Namespace, asked: Sequence[Question], manner: Manner, say: Callable[[str], None]
) -> Soak:
    """A server of this machine, for so many minutes."""
    soak = Soak(given.minutes)
    load = Load(given.callers, given.minutes * 60, every=given.every, seed=given.seed)
    calls = schedule(load, [question.sayable for question in asked])
    callers = [
        Caller(n, Target(url).connect, asked, manner, soak.said.append, PATIENCE)
        for n in range(given.callers)
    ]

    async def tell() -> None:
        while True:
            await asyncio.sleep(60)
            say(progress(soak))

    start = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        others = [tasks.create_task(watch(url, soak, time.monotonic())), tasks.create_task(tell())]
        for n in range(rude(given.callers)):
            others.append(tasks.create_task(Rude(realtime_url(url), given.seed + n, soak).run()))
        if given.kill:
            others.append(tasks.create_task(kill(url, soak, given.kill)))
        async with asyncio.TaskGroup() as talking:
            for caller, own in zip(callers, calls, strict=True):
                talking.create_task(caller.run(own, start))
        for task in others:
            task.cancel()

    async def left() -> dict[str, float]:
        told = await gauges(url)
        return {"engine requests": told["requests"], "sessions": told["sessions"]}

    await settled(left, soak.rude)
    return soak


def progress(soak: Soak) -> str:
    counted = Counter(one.status for one in soak.said)
    last = soak.samples[-1] if soak.samples else {}
    values = ", ".join(f"{name} {last[name]:.4g}" for name in FLAT if name in last)
    return f"{last.get('minutes', 0):.0f} min: {dict(counted)}, {soak.kills} kills; {values}"


def table(soak: Soak) -> str:
    counted = Counter(one.status for one in soak.said)
    rows = ["| | second quarter, median | last quarter, median | most |", "|---|---|---|---|"]
    quarter = max(1, len(soak.samples) // 4)
    for name in (*FLAT, "sessions", "parked"):
        parts = soak.samples[quarter : 2 * quarter], soak.samples[-quarter:]
        values = [[sample[name] for sample in part if name in sample] for part in (*parts, soak.samples)]
        if all(values):
            second, last = (statistics.median(part) for part in values[:2])
            rows.append(f"| {name} | {second:.4g} | {last:.4g} | {max(values[2]):.4g} |")
    faults = soak.faults
    rows += [
        "",
        f"{soak.minutes:g} minutes, {len(soak.said)} turns: "
        + ", ".join(f"{count} {status}" for status, count in counted.most_common())
        + f". The engine was killed {soak.kills} times. Rude: {soak.rude.connections} lines that were "
        f"cut, flooded or talked nonsense on ({soak.rude.events} events), {soak.half_open} left half open. "
        f"Left behind: {', '.join(f'{what} {count:g}' for what, count in soak.rude.left.items())}.",
        "",
        "Faults: " + ("none" if not faults else "; ".join(sorted(set(faults))[:20])) + ".",
    ]
    return "\n".join(rows) + "\n"


def picture(soak: Soak) -> str:
    def lines(*names: str) -> dict[str, list[tuple[float, float]]]:
        return {
            name: [(sample["minutes"], sample[name]) for sample in soak.samples if name in sample]
            for name in names
        }

    return svg(
        [
            Chart("Memory, MiB", "minutes", lines("server_mib", "engine_mib")),
            Chart("Descriptors, threads and tasks", "minutes", lines("descriptors", "threads", "tasks")),
            Chart(
                "Engine requests and sessions",
                "minutes",
                lines("requests", "sessions", "parked", "generation"),
            ),
            Chart("Share of the KV cache in use", "minutes", lines("kv")),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Hours of callers, some of them rude, and a dying engine.")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--callers", type=int, default=10, help="good ones; one more in ten is rude (10)")
    parser.add_argument(
        "--every", type=float, default=20.0, help="seconds between two turns of a caller (20)"
    )
    parser.add_argument(
        "--kill", type=float, default=10.0, help="minutes between two kills of the engine; 0: none"
    )
    parser.add_argument(
        "--overcommit", type=float, default=1.0, help="conversations to a place in the KV cache (1)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    soak = asyncio.run(run(given, lambda text: print(text, flush=True)))
    given.out.mkdir(parents=True, exist_ok=True)
    raw = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "faults": soak.faults,
        **vars(soak),
        "said": [asdict(one) for one in soak.said],
        "rude": vars(soak.rude),
    }
    (given.out / "soak.json").write_text(json.dumps(raw) + "\n")
    (given.out / "soak.md").write_text(table(soak))
    (given.out / "soak.svg").write_text(picture(soak))
    print(table(soak))
    if soak.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
