"""How many live callers a server takes audio in from on time: this one and a Pipecat pipeline, side by side.

    python -m benchmarks.pipecat_side [--start 8] [--seconds 12] [--out benchmarks/results]

On both sides a WebSocket server with Silero and a scripted model, so that only the server's own work counts:
frames in, decoding, voice activity, the end of a turn, a reply out. Ours does more: it speaks the Realtime
API (base64 in JSON), resamples from 24 kHz, and computes the features of what is said. Pipecat has the least
pipeline that can reply (`benchmarks.pipecat_server`), its own frames, and audio that needs no resampling.

Callers send a packet every 20 ms, speech for a third of the time. On time: for 95 % of the turns the reply
comes at most LAG later than it does where only two callers are there, and no reply is missing. The most
callers are searched for on both sides, in turn, step by step. Each of the two servers has the machine for
itself meanwhile, but for the callers, whose packets are made beforehand. Without --venv an environment with
Pipecat is made in the folder for temporary files; it is kept, and never this project's own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soxr
import torch
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from server.audio_file import RATE, read_pcm
from server.load.figures import Cores, Knee, percentile
from server.load.lines import append
from server.load.run import started
from server.load.usage import Meter
from streaming.vad import SpeechDetector
from tests.scripted import Loudness

PIPECAT = "pipecat-ai[silero,websocket]==1.14.0"
QUESTION = Path(__file__).parent.parent / "tests" / "recordings" / "sum.wav"
CYCLE = 300  # packets from one turn of a caller to its next: 6 s
TICK = 0.002  # seconds; in each, a tenth of the callers sends its packet
SLOTS = 10
LAG = 0.2  # seconds
LATEST = 1.5  # seconds after a turn, from which on its reply is missing
FEW = 2  # callers whose replies are as soon as can be
SILENT = 16  # callers who say nothing
SETUP, MOST_SETUP = 0.1, 15.0  # seconds for a line to be set up, and for all: not measured
PIPECAT_RATE = 16_000
PLACES = 4096


@dataclass(frozen=True)
class Side:
    name: str
    command: Sequence[str]
    path: str
    encode: Callable[[bytes], str | bytes]  # a packet of PCM16 to a message
    replied: Callable[[str | bytes], bool]
    hello: str | None = None
    rate: int = RATE  # Hz, of the packets


@dataclass(frozen=True)
class Step:
    side: str
    callers: int
    waits: Sequence[float]  # seconds from the last packet of a turn to its reply
    missing: int
    cores: Cores
    tardy: float  # share of packets that were sent more than TICK * SLOTS too late
    silent: bool = False

    @property
    def used(self) -> float:
        """CPU of the server, ms a second for each caller."""
        known = [cores for cores in (self.cores.server, self.cores.voice) if cores is not None]
        return 1000 * sum(known) / self.callers

    @property
    def p95(self) -> float:
        return float("inf") if self.missing else percentile(self.waits, 0.95) or float("inf")


# --- the two sides ---


def ours() -> Side:
    session = {"type": "realtime", "output_modalities": ["text"]}
    return Side(
        "Soundmind",
        [sys.executable, "-m", "benchmarks.pipecat_side", "--serve"],
        "/v1/realtime",
        append,
        lambda message: "response.output_text.done" in str(message),
        json.dumps({"type": "session.update", "session": session}),
    )


def theirs(venv: Path) -> Side:
    python, script = venv / "bin" / "python", Path(__file__).parent / "pipecat_server.py"
    return Side(
        "Pipecat",
        [str(python), str(script)],
        "/",
        protobuf,
        lambda message: b"reply" in _bytes(message),
        rate=PIPECAT_RATE,
    )


def _bytes(message: str | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.encode()


def protobuf(pcm: bytes) -> bytes:
    """A Frame with an AudioRawFrame of PIPECAT_RATE, one channel (pipecat/frames/frames.proto)."""

    def varint(number: int) -> bytes:
        out = b""
        while number > 127:
            out += bytes([number & 127 | 128])
            number >>= 7
        return out + bytes([number])

    audio = b"\x1a" + varint(len(pcm)) + pcm + b"\x20" + varint(PIPECAT_RATE) + b"\x28\x01"
    return b"\x12" + varint(len(audio)) + audio


async def serve() -> None:
    """Our side: all of the server but its engine."""
    from tests.server.scripted_server import Rote, running

    torch.set_num_threads(1)  # as the real engine does
    detector: SpeechDetector | Loudness = SpeechDetector()
    async with running(Rote(PLACES), detector) as (url, _):
        print(f"listening on {url}", flush=True)
        await asyncio.get_running_loop().create_future()


def environment(venv: Path) -> Path:
    """With Pipecat, made where it is not there yet."""
    python = venv / "bin" / "python"
    if not python.exists():
        print(f"making {venv} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    same = [f"{name}=={version(name)}" for name in ("uvicorn", "websockets")]  # as on our side
    if subprocess.run([str(python), "-c", "import pipecat, uvicorn"], capture_output=True).returncode:
        subprocess.run([str(python), "-m", "pip", "install", "-q", PIPECAT, *same], check=True)
    return venv


# --- callers ---


class Talker:
    """One line: what it has asked, and when the replies came."""

    def __init__(self, ws: ClientConnection, side: Side, offset: int) -> None:
        self._ws, self._side = ws, side
        self.offset = offset
        self.asked: float | None = None
        self.waits: list[float] = []
        self.missing = 0

    def send(self, frame: bytes) -> None:
        self._ws.transport.write(frame)

    def ask(self, now: float) -> None:
        """The last packet of a turn has gone out."""
        self.missing += self.asked is not None
        self.asked = now

    def over(self, now: float) -> None:
        """Nothing more is waited for."""
        self.missing += self.asked is not None and now - self.asked > LATEST

    async def hear(self) -> None:
        now = asyncio.get_running_loop().time
        async for message in self._ws:
            if self.asked is not None and self._side.replied(message):
                self.waits.append(now() - self.asked)
                self.asked = None


def frames(side: Side, silent: bool) -> tuple[list[bytes], int]:
    """A cycle of WebSocket frames, ready for the socket, and which of them is the last with speech."""
    speech = np.frombuffer(b"" if silent else read_pcm(QUESTION), "<i2")
    if side.rate != RATE:
        wide = soxr.resample(speech.astype(np.float32), RATE, side.rate)
        speech = np.rint(wide.clip(-32768, 32767)).astype("<i2")
    size = side.rate // 50
    cycle = np.pad(speech, (0, CYCLE * size - speech.size))
    kind = Opcode.TEXT if isinstance(side.encode(b""), str) else Opcode.BINARY
    made = [
        Frame(kind, _bytes(side.encode(packet.tobytes()))).serialize(mask=True)
        for packet in cycle.reshape(CYCLE, size)
    ]
    return made, -1 if silent else speech.size // size


async def step(side: Side, url: str, callers: int, seconds: float, silent: bool = False) -> Step:
    """So many callers for so long; those of their turns count that ended in that time."""
    made, last = frames(side, silent)
    there = url.replace("http", "ws", 1) + side.path
    async with contextlib.AsyncExitStack() as stack:
        talkers = []
        for n in range(callers):
            ws = await stack.enter_async_context(connect(there, proxy=None, compression=None, max_size=None))
            if side.hello is not None:
                await ws.send(side.hello)
            talkers.append(Talker(ws, side, n * CYCLE // callers))
        hearing = [asyncio.create_task(talker.hear()) for talker in talkers]
        await asyncio.sleep(min(MOST_SETUP, 1.0 + SETUP * callers))
        meter = Meter(url)
        await meter.start()
        tardy, sent = await _talk(talkers, made, last, seconds)
        cores = await meter.read()
        for talker in talkers:
            talker.over(asyncio.get_running_loop().time())
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)
    waits = [wait for talker in talkers for wait in talker.waits]
    missing = sum(talker.missing for talker in talkers)
    return Step(side.name, callers, waits, missing, cores, tardy / max(1, sent), silent)


async def _talk(talkers: list[Talker], made: list[bytes], last: int, seconds: float) -> tuple[int, int]:
    """Returns how many packets were late, and how many were sent."""
    loop = asyncio.get_running_loop()
    begin, tardy, sent = loop.time(), 0, 0
    for tick in range(int(seconds / TICK)):
        due = begin + tick * TICK
        await asyncio.sleep(max(0.0, due - loop.time()))
        late = loop.time() - due > TICK * SLOTS
        turn, slot = divmod(tick, SLOTS)
        for talker in talkers[slot::SLOTS]:
            at = (turn + talker.offset) % CYCLE
            talker.send(made[at])
            sent += 1
            tardy += late
            if at == last and turn >= last:  # who was in the middle of it at first has not said all of it
                talker.ask(loop.time())
    return tardy, sent


# --- a run ---


async def measure(sides: Sequence[Side], start: int, seconds: float) -> list[Step]:
    steps: list[Step] = []
    async with contextlib.AsyncExitStack() as stack:
        urls = {side.name: await stack.enter_async_context(started(side.command, print)) for side in sides}
        bounds: dict[str, float] = {}
        for side in sides:
            few = await step(side, urls[side.name], FEW, max(seconds, 13.0))
            if few.p95 == float("inf"):
                raise RuntimeError(f"{side.name} does not reply to {FEW} callers: {few}")
            bounds[side.name] = few.p95 + LAG
            steps += [few, await step(side, urls[side.name], SILENT, seconds, silent=True)]
            print(f"{side.name}: a reply comes {few.p95 * 1000:.0f} ms after a turn", flush=True)
        knees = {side.name: Knee(start, PLACES) for side in sides}
        while any(knee.next() for knee in knees.values()):
            for side in sides:
                callers = knees[side.name].next()
                if callers is None:
                    continue
                tried = await step(side, urls[side.name], callers, seconds)
                holds = tried.p95 <= bounds[side.name]
                knees[side.name].note(callers, holds)
                steps.append(tried)
                print(
                    f"{side.name}: {callers} callers {'on time' if holds else 'not on time'}, p95 "
                    f"{tried.p95 * 1000:.0f} ms, {tried.missing} missing, {tried.cores.server:.2f} cores, "
                    f"{tried.tardy:.1%} of the packets sent late",
                    flush=True,
                )
                await asyncio.sleep(1.0)  # for the lines to be closed
    return steps


def most(steps: Sequence[Step], side: str) -> Step:
    """The step with the most callers that was on time."""
    own = [one for one in steps if one.side == side and not one.silent]
    bound = own[0].p95 + LAG
    return max((one for one in own if one.p95 <= bound), key=lambda one: one.callers)


def table(steps: Sequence[Step]) -> str:
    rows = [
        "| server | live callers, audio taken in on time | CPU a caller, ms a second | CPU a silent caller "
        "| reply after a turn, p95: two callers, ms | the most callers, ms |",
        "|---|---|---|---|---|---|",
    ]
    best = [most(steps, side) for side in dict.fromkeys(one.side for one in steps)]
    for one in best:
        alone, silent = (
            next(s for s in steps if s.side == one.side and s.silent is quiet) for quiet in (False, True)
        )
        rows.append(
            f"| {one.side} | {one.callers} | {one.used:.1f} | {silent.used:.1f} | {alone.p95 * 1000:.0f} "
            f"| {one.p95 * 1000:.0f} |"
        )
    if len(best) == 2:
        rows += [
            "",
            f"{best[0].side} against {best[1].side}: {best[0].callers / best[1].callers:.1f} × the callers.",
        ]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Live callers taken in on time: here, and with Pipecat.")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "soundmind-pipecat")
    parser.add_argument("--start", type=int, default=8, help="callers to begin with (8)")
    parser.add_argument("--seconds", type=float, default=12.0, help="of every step (12)")
    parser.add_argument("--ours", action="store_true", help="our side alone")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return
    sides = [ours()] if given.ours else [ours(), theirs(environment(given.venv))]
    before = os.getloadavg()
    steps = asyncio.run(measure(sides, given.start, given.seconds))
    told = table(steps) + (
        f"\n{platform.machine()}, {os.cpu_count()} cores; load average before {before[0]:.1f}, "
        f"after {os.getloadavg()[0]:.1f}.\n"
    )
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "pipecat_side.json").write_text(json.dumps([asdict(one) for one in steps]) + "\n")
    (given.out / "pipecat_side.md").write_text(told)
    print(told)


if __name__ == "__main__":
    main()
