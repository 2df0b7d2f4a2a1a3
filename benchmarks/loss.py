"""Spoken questions over WebRTC on a line that loses and delays packets: what is heard, and how soon answered.

    python -m benchmarks.loss [--loss 0,1,5,10,20] [--jitter 0] [--fec on,off] [--count 100 | --folder FOLDER]

One call a question, each through a relay of its own (`benchmarks.lossy`), spoken at speaking pace. The line
turns bad once the call stands, for everything on it: audio both ways and events. `--count N` asks the
built-in tests of nano's world, `--folder` your own recordings (as `soundmind eval`), neither of them the few
of tests/recordings. The same questions are asked under every condition. Without --url a server is started.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet as Encoded
from httpx import AsyncClient

from benchmarks.lossy import Relay, Weather, host_candidate, redirected, without_candidates
from model.evaluation import own
from model.evaluation.case import Answered, Case, Clip, Outcome
from model.evaluation.scoring import interval, right, word_error
from server.audio_file import read_pcm
from server.config import load
from server.evaluate import Wanted, cases
from server.hearing import Hearing, Packet
from server.opus import FRAME, RATE, Encoder
from server.serving import serve
from server.shutdown import Shutdown
from server.webrtc import CHANNEL, Tap

RECORDINGS = Path(__file__).parent.parent / "tests" / "recordings"
FRAME_SECONDS = FRAME / RATE
LOUD = 200.0  # root mean square of 16-bit samples, from which on a frame is speech
PATIENCE = 60.0  # seconds for an answer
Wire = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    loss: int  # percent
    jitter: int  # ms
    fec: bool

    def __str__(self) -> str:
        return f"{self.loss} % loss, {self.jitter} ms jitter, FEC {'on' if self.fec else 'off'}"


@dataclass
class Asked:
    """What came of one question; `wait`: seconds from its last sample to the first sound of the reply."""

    name: str
    right: bool
    said: str
    heard: str | None
    reply: str
    error: str | None = None
    wait: float | None = None
    turn_ended: float | None = None
    lost: int = 0
    passed: int = 0
    wrong_words: int = 0
    words: int = 0


class Voice(MediaStreamTrack):
    """Says a clip at speaking pace, and is silent before and after."""

    kind = "audio"

    def __init__(self, loss: int) -> None:
        super().__init__()
        self._encoder = Encoder(loss)
        self._frames: list[bytes] = []
        self._began = 0.0
        self._sent = 0
        self.fell_silent: float | None = None  # when the last frame of the clip went out

    def say(self, pcm: bytes) -> None:
        size = 2 * FRAME
        self._frames = [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]

    async def recv(self) -> Encoded[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        self._began = self._began or now
        await asyncio.sleep(max(0.0, self._began + self._sent * FRAME_SECONDS - now))
        frame = self._frames.pop(0) if self._frames else None
        packet = Encoded(self._encoder.encode(frame or bytes(2 * FRAME)))
        packet.pts, packet.time_base = self._sent * 960, Fraction(1, 48_000)
        self._sent += 1
        if frame is not None and not self._frames:
            self.fell_silent = time.monotonic()
        return packet


@dataclass
class Caller:
    """The client's end of one call."""

    http: AsyncClient
    condition: Condition
    events: asyncio.Queue[Wire] = field(default_factory=asyncio.Queue)
    packets: asyncio.Queue[Packet] = field(default_factory=asyncio.Queue)
    sounded: float | None = None  # when the reply was first heard

    async def ask(self, case: Case, seed: int) -> Asked:
        self.voice = Voice(max(self.condition.loss, 5) if self.condition.fec else 0)
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        listening = asyncio.create_task(self._listen())
        try:
            transceiver = pc.addTransceiver(self.voice)
            Tap.into(transceiver.receiver, self.packets.put_nowait)
            channel = pc.createDataChannel(CHANNEL)
            channel.on("message", lambda text: self.events.put_nowait(json.loads(text)))
            await pc.setLocalDescription(await pc.createOffer())
            sdp = await self._call(without_candidates(pc.localDescription.sdp))
            async with Relay(host_candidate(sdp), seed) as relay:
                await pc.setRemoteDescription(RTCSessionDescription(redirected(sdp, relay.port), "answer"))
                try:
                    async with asyncio.timeout(PATIENCE):
                        asked = await self._converse(case, channel, relay)
                except TimeoutError:
                    asked = Asked(case.name, False, case.clip.words, None, "", f"nothing in {PATIENCE:g} s")
                asked.lost, asked.passed = relay.lost, relay.passed
                relay.weather = Weather()
                await pc.close()
            return asked
        finally:
            listening.cancel()
            await pc.close()

    async def _call(self, offer: str) -> str:
        kind = {"content-type": "application/sdp"}
        answer = await self.http.post("/v1/realtime/calls", content=offer, headers=kind)
        answer.raise_for_status()
        return answer.text

    async def _until(self, kind: str, seen: dict[str, Wire]) -> Wire:
        while True:
            event = await self.events.get()
            seen[event["type"]] = event
            if event["type"] == kind:
                return event

    async def _converse(self, case: Case, channel: RTCDataChannel, relay: Relay) -> Asked:
        seen: dict[str, Wire] = {}
        await self._until("session.created", seen)
        session: Wire = {"type": "realtime", "audio": {"input": {"transcription": {}}}}
        if case.instructions:
            session["instructions"] = case.instructions
        channel.send(json.dumps({"type": "session.update", "session": session}))
        await self._until("session.updated", seen)
        relay.weather = Weather(self.condition.loss / 100, self.condition.jitter / 1000)
        self.voice.say(_pcm(case.clip))
        response = (await self._until("response.done", seen))["response"]
        transcribed = "conversation.item.input_audio_transcription.completed"
        if transcribed not in seen:
            await self._until(transcribed, seen)
        heard = seen[transcribed]["transcript"].strip()
        return self._scored(case, response, heard, seen["soundmind.timings"])

    def _scored(self, case: Case, response: Wire, heard: str, timings: Wire) -> Asked:
        content = [part for item in response["output"] for part in item.get("content", ())]
        reply = " ".join(part.get("transcript") or part.get("text") or "" for part in content)
        answered = Answered(case, "served", Outcome(reply=reply, heard=heard))
        wrong, words = word_error([answered])
        quiet, sound, ended = self.voice.fell_silent, self.sounded, timings["turn_ended_ms"]
        return Asked(
            case.name,
            right(case, answered.outcome),
            case.clip.words,
            heard,
            reply,
            wait=None if quiet is None or sound is None else sound - quiet,
            turn_ended=None if ended is None else ended / 1000,
            wrong_words=wrong,
            words=words,
        )

    async def _listen(self) -> None:
        hearing = Hearing()
        while True:
            samples = np.frombuffer(hearing.push(await self.packets.get()), "<i2").astype(np.float64)
            loud = samples.size and np.sqrt(np.mean(samples**2)) > LOUD
            if loud and self.sounded is None and self.voice.fell_silent is not None:
                self.sounded = time.monotonic()


def _pcm(clip: Clip) -> bytes:
    samples = soxr.resample(clip.samples.astype(np.float32), 16_000, RATE)
    return bytes(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())


def recorded() -> list[Case]:
    """The questions that the tests ask, one a recording."""
    found = []
    for entry in json.loads((RECORDINGS / "manifest.json").read_text()):
        if len(entry["texts"]) > 1 or not entry["expect"]:
            continue
        pcm = np.frombuffer(read_pcm(RECORDINGS / entry["file"]), "<i2").astype(np.float32)
        samples = soxr.resample(pcm, RATE, 16_000).astype(np.int16)
        said, answer = entry["texts"][0], entry["expect"][0]
        clip = Clip(said, entry["voice"], samples)
        found.append(Case(entry["file"], "own", "own", clip, answer, contained=True, transcript=said))
    return found


async def measure(
    url: str, asked: Sequence[Case], conditions: Sequence[Condition], callers: int
) -> dict[str, list[Asked]]:
    """Every question under every condition; the conditions side by side, in turn."""
    found: dict[str, list[Asked]] = {str(condition): [] for condition in conditions}
    free = asyncio.Semaphore(callers)
    async with AsyncClient(base_url=url, trust_env=False, timeout=30) as http:

        async def one(number: int, case: Case, condition: Condition) -> None:
            async with free:
                found[str(condition)].append(await Caller(http, condition).ask(case, number))

        async with asyncio.TaskGroup() as tasks:
            for number, case in enumerate(asked):
                for condition in conditions:
                    tasks.create_task(one(number, case, condition))
    return found


def table(found: dict[str, list[Asked]]) -> str:
    """`wait`: from the last sample said to the first sound of the reply, as the client hears it."""
    rows = [
        "| line | right | words wrong | wait: median (p95) | the turn's end alone: median | packets lost |",
        "|---|---|---|---|---|---|",
    ]
    for name, asked in found.items():
        good, words = sum(a.right for a in asked), sum(a.words for a in asked)
        low, high = interval(good, len(asked))
        waits = [a.wait for a in asked if a.wait is not None]
        ends = [a.turn_ended for a in asked if a.turn_ended is not None]
        sent, lost = sum(a.passed + a.lost for a in asked), sum(a.lost for a in asked)
        wait = f"{_median(waits)} ({float(np.percentile(waits, 95)):.2f} s)" if waits else "none"
        rows.append(
            f"| {name} | {good / len(asked):.0%} ({low:.0%}–{high:.0%}, n={len(asked)}) "
            f"| {sum(a.wrong_words for a in asked) / max(words, 1):.1%} | {wait} | {_median(ends)} "
            f"| {lost / max(sent, 1):.1%} |"
        )
    return "\n".join(rows) + "\n"


def _median(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} s" if seconds else "none"


def _questions(given: argparse.Namespace) -> list[Case]:
    if given.folder:
        return own.cases(given.folder)
    if not given.count:
        return recorded()
    wanted = Wanted(suites=("families",), conditions=("clean",), count=given.count)
    one_turn = [case for case in cases(wanted) if not case.before and not case.schemas and case.clip.voiced]
    return one_turn[:: max(1, len(one_turn) // given.count)][: given.count]


def main() -> None:
    parser = argparse.ArgumentParser(description="Questions over WebRTC on a line that loses packets.")
    parser.add_argument("--url", help="a server on this machine, http://127.0.0.1:PORT; else one is started")
    parser.add_argument("--loss", default="0,1,5,10,20", help="percent, one table row each")
    parser.add_argument("--jitter", default="0", help="milliseconds, at most; the same")
    parser.add_argument("--fec", default="on", help="on, off or both (on,off): of the question's Opus")
    parser.add_argument("--count", type=int, default=0, help="questions of the built-in tests")
    parser.add_argument("--folder", type=Path, help="your own recordings, with a CSV file")
    parser.add_argument("--callers", type=int, default=1, help="calls at once (1)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    asked = _questions(given)
    conditions = [
        Condition(int(loss), int(jitter), fec == "on")
        for fec in given.fec.split(",")
        for jitter in given.jitter.split(",")
        for loss in given.loss.split(",")
    ]
    found: dict[str, list[Asked]] = {}

    async def visit(url: str) -> None:
        found.update(await measure(url, asked, conditions, given.callers))

    if given.url:
        asyncio.run(visit(given.url))
    else:
        config = load({"port": 0}, {}, None)
        asyncio.run(serve(config, print, Shutdown(), visit, stay=False))
    given.out.mkdir(parents=True, exist_ok=True)
    raw = {name: [asdict(one) for one in many] for name, many in found.items()}
    (given.out / "loss.json").write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
    (given.out / "loss.md").write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
