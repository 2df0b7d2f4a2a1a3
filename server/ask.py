"""`soundmind ask`: speak a recording to a server, at speaking pace, and hear what comes back.

A client like any other: it knows the Realtime API and nothing of the server's inside.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from model.errors import UserError
from server.audio_file import RATE
from server.auth import is_loopback
from server.modes import thinking
from server.report import Report
from server.tasks import one_error
from server.turns import Turns

PACKET_SECONDS = 0.02
PACKET = int(RATE * PACKET_SECONDS) * 2  # bytes
SILENCE_SECONDS = 1.0  # at least, behind the recording, so that its last turn ends
PATIENCE_SECONDS = 60.0  # without any event, while something is pending


class AskError(UserError):
    """The server could not be asked; one line that says why."""


@dataclass(frozen=True)
class Wishes:
    """What to ask of the server's session. `think` and `while_listening`: see server.modes."""

    think: str | None = None
    transcript: bool = True
    while_listening: bool = False

    def session(self) -> dict[str, Any]:
        session: dict[str, Any] = {"type": "realtime", "output_modalities": ["text"]}
        session |= thinking(self.think, self.while_listening)
        if self.transcript:
            session["audio"] = {"input": {"transcription": {"model": "default"}}}
        return session


def realtime_url(url: str) -> str:
    """ws://HOST:PORT/v1/realtime from what a user may type. Raises AskError."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AskError(f"{url}: {error}") from error
    schemes = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise AskError(f"{url}: expected a URL like ws://127.0.0.1:8000/v1/realtime")
    path = "/v1/realtime" if parts.path in ("", "/") else parts.path
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, parts.query, ""))


async def ask(url: str, pcm: bytes, report: Report, wishes: Wishes, key: str | None = None) -> Turns:
    """Speak `pcm` (16 bit, mono, 24 kHz) and report until every turn in it has its reply. Raises AskError."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    turns = Turns(wishes.transcript)
    there = realtime_url(url)
    proxy: Literal[True] | None = None if is_loopback(urlsplit(there).hostname or "") else True
    try:
        async with connect(there, additional_headers=headers, proxy=proxy, max_size=None) as ws:
            await _converse(ws, pcm, report, wishes, turns)
    except ConnectionClosed as error:
        raise AskError(f"{url}: the server closed the connection ({error})") from error
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise AskError(f"{url}: cannot connect ({error})") from error
    report.summary(turns.summary())
    return turns


async def _converse(ws: ClientConnection, pcm: bytes, report: Report, wishes: Wishes, turns: Turns) -> None:
    configured = asyncio.Event()
    with one_error():
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(_hear(ws, report, turns, configured))
            await ws.send(json.dumps({"type": "session.update", "session": wishes.session()}))
            await configured.wait()
            await _speak(ws, pcm, turns)
            hearing.cancel()


async def _speak(ws: ClientConnection, pcm: bytes, turns: Turns) -> None:
    """The recording, then silence as from an open microphone, until nothing is pending."""
    now = asyncio.get_running_loop().time
    start, at = now(), 0
    end = len(pcm) + int(SILENCE_SECONDS * RATE) * 2
    while at < end or turns.pending:
        packet = pcm[at : at + PACKET].ljust(PACKET, b"\0")
        audio = base64.b64encode(packet).decode()
        await ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        at += PACKET
        await asyncio.sleep(max(0.0, start + at / (2 * RATE) - now()))


async def _hear(ws: ClientConnection, report: Report, turns: Turns, configured: asyncio.Event) -> None:
    while True:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                event = json.loads(await ws.recv())
        except TimeoutError as error:
            if turns.pending or not configured.is_set():
                raise AskError(f"the server has said nothing for {PATIENCE_SECONDS:g} s") from error
            continue  # a long pause in the recording
        report.event(event)
        turns.take(event)
        if event["type"] == "session.updated":
            configured.set()
        elif event["type"] == "error":
            raise AskError(f"the server refused: {event['error']['message']}")
