"""Cases spoken to a server at speaking pace, each in a conversation of its own, several at once.

A client like any other: it knows the Realtime API and nothing of the server's inside. Earlier turns are typed
items, or spoken like the last one and answered by the model itself. The server finds the turns; where a clip
has sounds that are no voice, the client commits it. `Account` is the pure part: what the events come to.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import soxr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from model.config import SAMPLE_RATE
from model.evaluation import conditions
from model.evaluation.case import Answered, Case, Clip, Encoding, Outcome
from model.evaluation.offline import call_of
from model.training.world.core import Effort
from server.ask import AskError, realtime_url
from server.audio_file import RATE
from server.auth import is_loopback
from server.tasks import one_error

PACKET_SECONDS = 0.02
PACKET = int(RATE * PACKET_SECONDS) * 2  # bytes
TAIL = 1.0  # seconds behind a clip, in its noise
UNHEARD = 2.0  # seconds after which no turn is found any more
PATIENCE = 60.0  # seconds without any event, while something is pending
TELL_EVERY = 25  # answers
TIMINGS = ("turn_ended_ms", "first_thinking_ms", "first_reply_ms", "done_ms")
EFFORTS: dict[Effort, str] = {"none": "minimal", "short": "low", "medium": "medium", "long": "high"}

Wire = dict[str, Any]
Say = Callable[[str], None]


@dataclass
class Reply:
    """The newest response."""

    thinking: str = ""
    text: str = ""
    calls: list[Wire] = field(default_factory=list)
    timings: dict[str, float | None] = field(default_factory=dict)
    reasoning_tokens: int | None = None
    status: str = ""
    error: str | None = None


class Account:
    """What a conversation's events come to. `detecting`: the server finds the turns, and answers them."""

    def __init__(self, detecting: bool) -> None:
        self.detecting = detecting
        self.configured = False
        self.error: str | None = None
        self.begin()

    def begin(self) -> None:
        """A new turn is about to be spoken."""
        self.speaking = False
        self.turns = 0
        self.awaited = 0  # responses that have to begin
        self.reply = Reply()
        self.transcripts: list[str] = []
        self._open: set[str] = set()
        self._untold: set[str] = set()  # items without their transcript

    @property
    def pending(self) -> bool:
        return self.error is None and bool(self.speaking or self.awaited > 0 or self._open or self._untold)

    def take(self, event: Wire) -> None:
        kind = event["type"]
        match kind:
            case "session.updated":
                self.configured = True
            case "error":
                self.error = str(event["error"]["message"])
            case "input_audio_buffer.speech_started":
                self.speaking = True
            case "input_audio_buffer.committed":
                self.speaking = False
                self.turns += 1
                self._untold.add(event["item_id"])
                self.awaited += self.detecting
            case "input_audio_buffer.cleared":  # it was no speech
                self.speaking = False
            case "conversation.item.input_audio_transcription.completed":
                self._untold.discard(event["item_id"])
                self.transcripts.append(event["transcript"].strip())
            case "conversation.item.input_audio_transcription.failed":
                self._untold.discard(event["item_id"])
            case "response.created":
                self.awaited -= 1
                self._open.add(event["response"]["id"])
                self.reply = Reply()
            case "response.reasoning_text.delta":
                self.reply.thinking += event["delta"]
            case "response.output_text.delta" | "response.output_audio_transcript.delta":
                self.reply.text += event["delta"]
            case "soundmind.timings":
                self.reply.timings = {name: event.get(name) for name in TIMINGS}
            case "response.done":
                self._done(event["response"])

    def _done(self, response: Wire) -> None:
        self._open.discard(response["id"])
        reply = self.reply
        reply.status = response["status"]
        reply.calls = [item for item in response["output"] if item["type"] == "function_call"]
        details = (response.get("usage") or {}).get("output_token_details") or {}
        reply.reasoning_tokens = details.get("reasoning_tokens")
        if reply.status == "failed":
            error = (response.get("status_details") or {}).get("error") or {}
            reply.error = str(error.get("message") or "the reply failed")

    def outcome(self, told: str | None = None) -> Outcome:
        reply = self.reply
        if error := self.error or reply.error or (None if self.turns else "no speech was found"):
            return Outcome(error=error, turns=self.turns)
        call = reply.calls[0] if reply.calls else None
        return Outcome(
            reply.thinking,
            reply.text,
            call_of(call["name"], call["arguments"]) if call else None,
            told,
            " ".join(self.transcripts),
            reply.reasoning_tokens,
            reply.timings,
            self.turns,
        )


def session(case: Case, encoding: Encoding, detecting: bool) -> Wire:
    """What to ask of the server's session for this case."""
    hearing: Wire = {"transcription": {"model": "default"}}
    if not detecting:
        hearing["turn_detection"] = None
    wanted: Wire = {
        "type": "realtime",
        "output_modalities": ["text"],
        "instructions": case.instructions,
        "reasoning": {"effort": EFFORTS[case.effort]},
        "audio": {"input": hearing},
    }
    if case.schemas:
        offered = json.loads(case.schemas)
        wanted["tools"] = [{"type": "function", **tool["function"]} for tool in offered]
    if encoding != "served":
        wanted["soundmind"] = {"encoding": encoding}
    return wanted


def message(role: str, text: str) -> Wire:
    content = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
    return {"type": "message", "role": role, "content": [content]}


class Conversation:
    """One case over an open connection."""

    def __init__(self, ws: ClientConnection, case: Case, encoding: Encoding) -> None:
        self._ws, self._case, self._encoding = ws, case, encoding
        clips = [case.clip, *(before.clip for before in case.before if before.clip)]
        self.account = Account(all(clip.voiced for clip in clips) and not case.question)
        self._news = asyncio.Event()

    async def outcome(self) -> Outcome:
        """Raises AskError where the server does not take the session."""
        hearing = asyncio.create_task(self._hear())
        try:
            return await self._talk()
        except ConnectionClosed as error:
            await asyncio.wait({hearing}, timeout=1)  # it may have said why
            why = self.account.error or f"the server closed the connection ({error})"
            if not self.account.configured:
                raise AskError(f"the server refused: {why}") from error
            return Outcome(error=why)
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _talk(self) -> Outcome:
        account, case = self.account, self._case
        await self._send("session.update", session=session(case, self._encoding, account.detecting))
        await self._until(lambda: account.configured)
        earlier: list[str] = []
        for number, before in enumerate(case.before):
            if before.clip is None:
                await self._send("conversation.item.create", item=message("user", before.said))
                await self._send("conversation.item.create", item=message("assistant", before.reply))
            else:
                await self._speak(before.clip, f"{case.name} {number}")
                earlier.append(account.reply.text)
        await self._speak(case.clip, case.name, case.question)
        found = replace(account.outcome(), earlier=tuple(earlier))
        if found.call is None or found.call != case.call:
            return found
        output = {
            "type": "function_call_output",
            "call_id": account.reply.calls[0]["call_id"],
            "output": case.result,
        }
        account.awaited = 1
        await self._send("conversation.item.create", item=output)
        await self._send("response.create")
        await self._until(lambda: not account.pending)
        return replace(found, told=account.reply.text)

    async def _speak(self, clip: Clip, seed: str, question: str = "") -> None:
        """At speaking pace, with a typed question behind it, until the reply to it has come."""
        account = self.account
        account.begin()
        pcm = _pcm(clip, self._case, seed)
        now = asyncio.get_running_loop().time
        start, at, end = now(), 0, len(pcm)
        latest = end + int(UNHEARD * RATE) * 2
        while at < end or account.detecting and (account.pending or not account.turns and at < latest):
            packet = pcm[at : at + PACKET].ljust(PACKET, b"\0")
            await self._send("input_audio_buffer.append", audio=base64.b64encode(packet).decode())
            at += PACKET
            await asyncio.sleep(max(0.0, start + at / (2 * RATE) - now()))
        if not account.detecting:
            await self._send("input_audio_buffer.commit")
            if question:
                await self._send("conversation.item.create", item=message("user", question))
            account.awaited = 1
            await self._send("response.create")
        await self._until(lambda: not account.pending)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._ws.send(json.dumps({"type": kind, **fields}))

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Raises AskError when the server refuses the session, TimeoutError when it says nothing more."""
        while not condition():
            if self.account.error is not None:
                if not self.account.configured:
                    raise AskError(f"the server refused: {self.account.error}")
                return
            self._news.clear()
            async with asyncio.timeout(PATIENCE):
                await self._news.wait()

    async def _hear(self) -> None:
        try:
            async for text in self._ws:
                self.account.take(json.loads(text))
                self._news.set()
            why = "the server closed the connection"
        except ConnectionClosed as error:
            why = f"the server closed the connection ({error})"
        self.account.error = self.account.error or why
        self._news.set()


def _pcm(clip: Clip, case: Case, seed: str) -> bytes:
    heard = conditions.take(clip.samples, case.condition, seed, TAIL if clip.voiced else conditions.TAIL)
    wide = soxr.resample(heard, SAMPLE_RATE, RATE)
    return bytes(np.rint(wide.clip(-1, 1) * 32767).astype("<i2").tobytes())


def _connected(url: str, key: str | None) -> AbstractAsyncContextManager[ClientConnection]:
    there = realtime_url(url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    proxy: Literal[True] | None = None if is_loopback(urlsplit(there).hostname or "") else True
    return connect(there, additional_headers=headers, proxy=proxy, max_size=None)


async def interview(
    url: str,
    cases: Sequence[Case],
    encoding: Encoding,
    callers: int,
    say: Say,
    key: str | None = None,
) -> list[Answered]:
    """Every case, `callers` at once, in the order given. Raises AskError."""
    waiting = list(enumerate(cases))[::-1]
    found: dict[int, Outcome] = {}

    async def caller() -> None:
        while waiting:
            number, case = waiting.pop()
            found[number] = await _outcome(url, key, case, encoding)
            if len(found) % TELL_EVERY == 0:
                say(f"{len(found)} of {len(cases)} answered")

    with one_error():
        async with asyncio.TaskGroup() as tasks:
            for _ in range(callers):
                tasks.create_task(caller())
    return [Answered(case, encoding, found[number]) for number, case in enumerate(cases)]


async def _outcome(url: str, key: str | None, case: Case, encoding: Encoding) -> Outcome:
    try:
        async with _connected(url, key) as ws:
            return await Conversation(ws, case, encoding).outcome()
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise AskError(f"{url}: cannot connect ({error})") from error
    except TimeoutError:
        return Outcome(error=f"the server has said nothing for {PATIENCE:g} s")


def speaking_seconds(cases: Iterable[Case]) -> float:
    """How long they take one after the other, about."""
    clips = [c for case in cases for c in (case.clip, *(b.clip for b in case.before)) if c]
    return sum(clip.seconds + conditions.LEAD + TAIL + 1 for clip in clips)
