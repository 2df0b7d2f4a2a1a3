"""What `soundmind talk` shows: the server's events as lines, the words of a reply when they are heard.

The transcript of a spoken reply comes in step with its sound, but ahead of the loudspeaker: each piece waits
here until the first sample behind it has been played, and whatever came after it waits behind it. What was
cut off is shown, too, as not heard. Knows no sockets, no device and no clock: how much was heard is an
argument.
"""

from __future__ import annotations

import base64
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from server.report import BOLD, DIM, Lines, latencies

FLOOR_DB, BARS = -60.0, 20
HINT = "Use headphones: a terminal does not cancel its own echo (--half-duplex does without)."


@dataclass(frozen=True)
class Told:
    label: str
    text: str
    style: str = ""
    grows: bool = False
    item_id: str | None = None  # shown once that much of this reply has been heard; None: at once
    at: int = 0  # samples


class View:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._due: deque[Told] = deque()
        self._came: dict[str, int] = {}  # samples of each spoken reply
        self._whole: set[str] = set()  # replies of which all sound has come
        self._cut: set[str] = set()
        self.hearing = False  # the server hears somebody speak

    # --- what comes ---

    def event(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self.hearing = True
            case "input_audio_buffer.speech_stopped":
                self.hearing = False
            case "conversation.item.input_audio_transcription.completed":
                self._lines.beside("you", event["transcript"])
            case "conversation.item.input_audio_transcription.failed":
                self._lines.beside("you", f"(no transcript: {event['error']['message']})")
            case "response.reasoning_text.delta":
                self._tell(Told("thinking", event["delta"], DIM, grows=True))
            case "response.output_text.delta":
                self._tell(Told("reply", event["delta"], BOLD, grows=True))
            case "response.output_audio_transcript.delta":
                self._words(event["item_id"], event["delta"])
            case "response.output_audio.delta":
                samples = len(base64.b64decode(event["delta"])) // 2
                self._came[event["item_id"]] = self._came.get(event["item_id"], 0) + samples
            case "response.output_audio.done":
                self._whole.add(event["item_id"])
            case "soundmind.timings":
                self._tell(Told("latency", _stages(event), DIM))
            case "response.done" if event["response"]["status"] != "completed":
                self._tell(Told("reply", f"({_fate(event['response'])})", DIM))
            case "soundmind.engine_lost":
                self.note("the engine has died and is being started again: what you say is kept")
            case "soundmind.engine_back":
                self.note("the engine is back")
            case "soundmind.resumed":
                self.note("the line is back")
            case "error":
                self.note(f"the server refused: {event['error']['message']}")
        self._lines.flush()

    def _words(self, item_id: str, text: str) -> None:
        if item_id not in self._cut:
            at = self._came.get(item_id, 0)
            self._tell(Told("reply", text, BOLD, grows=True, item_id=item_id, at=at))

    def _tell(self, told: Told) -> None:
        self._due.append(told)
        if told.item_id is None and len(self._due) == 1:
            self._show(self._due.popleft())

    # --- what is heard ---

    def advance(self, heard: Callable[[str], int]) -> None:
        """Show what has become due. `heard`: samples of a reply, by its item."""
        while self._due and self._is_due(self._due[0], heard):
            self._show(self._due.popleft())
        self._lines.flush()

    def _is_due(self, told: Told, heard: Callable[[str], int]) -> bool:
        item_id = told.item_id
        if item_id is None:
            return True
        samples = heard(item_id)
        return samples > told.at or (item_id in self._whole and samples >= self._came.get(item_id, 0))

    def cut(self, heard: Mapping[str, int]) -> None:
        """These replies end after so many samples: what waits is shown, words that were not heard as such."""
        self._cut |= set(heard)
        waiting, self._due = self._due, deque()
        missed = ""
        for told in waiting:
            if told.item_id is not None and told.at >= heard.get(told.item_id, told.at + 1):
                missed += told.text
                continue
            missed = self._missed(missed)
            self._show(told)
        self._missed(missed)
        self._lines.flush()

    def _missed(self, words: str) -> str:
        if words.strip():
            self._lines.grow("reply", f" [not heard: {words.strip()}]", DIM)
        return ""

    def _show(self, told: Told) -> None:
        if told.grows:
            self._lines.grow(told.label, told.text, told.style)
        else:
            self._lines.line(told.label, told.text, told.style)

    # --- what happens here ---

    @property
    def waiting(self) -> bool:
        """Something has come that is not shown yet."""
        return bool(self._due)

    def note(self, text: str) -> None:
        self._lines.line("", text, DIM)
        self._lines.flush()

    def typed(self, text: str) -> None:
        """A line that no terminal has shown."""
        self._lines.line("you", text)
        self._lines.flush()

    def level(self, pcm: bytes, muted: bool) -> None:
        """The microphone's meter."""
        if self._lines.terminal:
            state = "muted" if muted else "you speak" if self.hearing else "listening"
            self._lines.status(state, "" if muted else bar(decibels(pcm)))
            self._lines.flush()

    def end(self) -> None:
        for told in self._due:
            self._show(told)
        self._due.clear()
        self._lines.end()
        self._lines.flush()


def decibels(pcm: bytes) -> float:
    """The level of PCM16, in dB below a full-scale square wave; FLOOR_DB at least."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    power = float(np.mean(samples**2)) if samples.size else 0.0
    return max(FLOOR_DB, 10 * math.log10(power)) if power else FLOOR_DB


def bar(level: float) -> str:
    filled = round(BARS * (level - FLOOR_DB) / -FLOOR_DB)
    return "#" * filled + "." * (BARS - filled)


def _stages(timings: dict[str, Any]) -> str:
    """Of a reply's stages, the sound included."""
    sound = timings.get("first_sound_ms")
    return latencies(timings) + (f", first sound {sound:.0f} ms" if sound is not None else "")


def _fate(response: dict[str, Any]) -> str:
    """What became of a reply that was not completed."""
    details = response.get("status_details") or {}
    if details.get("reason") == "turn_detected":
        return "cut off"
    why = (details.get("error") or {}).get("message") or details.get("reason")
    return f"{response['status']}: {why}" if why else str(response["status"])
