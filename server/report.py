"""What `soundmind ask` prints: the conversation as it happens, for people or (`--json`) for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from server.turns import TIMINGS, Turn

DIM, BOLD, PLAIN = "\033[2m", "\033[1m", "\033[0m"
NAMES = dict(zip(TIMINGS, ("turn ended", "first thought", "first word", "done"), strict=True))


class Report(Protocol):
    def event(self, event: dict[str, Any]) -> None:
        """A server event, as it came."""

    def summary(self, summary: dict[str, Any]) -> None:
        """The conversation is over."""


class JsonReport:
    """Every server event as it came, one a line, then the summary."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def event(self, event: dict[str, Any]) -> None:
        print(json.dumps(event), file=self._out, flush=True)

    summary = event


class TextReport:
    """Lines with a label each; thinking dim, the reply bright, both growing as they come."""

    def __init__(self, out: TextIO) -> None:
        self._write: Callable[[str], int] = out.write
        self._flush = out.flush
        self._colour = out.isatty()
        self._channel = ""  # whose line is open
        self._held: list[tuple[str, str]] = []  # lines that wait for its end

    def event(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._line("speech", f"started at {event['audio_start_ms'] / 1000:.2f} s")
            case "input_audio_buffer.speech_stopped":
                self._line("speech", f"stopped at {event['audio_end_ms'] / 1000:.2f} s")
            case "conversation.item.input_audio_transcription.completed":
                self._beside("heard", event["transcript"])
            case "conversation.item.input_audio_transcription.failed":
                self._beside("heard", f"(no transcript: {event['error']['message']})")
            case "response.reasoning_text.delta":
                self._grow("thinking", event["delta"], DIM)
            case "response.output_text.delta":
                self._grow("reply", event["delta"], BOLD)
            case "soundmind.timings":
                self._line("latency", latencies(event))
            case "response.done" if event["response"]["status"] != "completed":
                self._line("reply", f"({event['response']['status']})")
        self._flush()

    def summary(self, summary: dict[str, Any]) -> None:
        self._end()
        self._flush()

    def _end(self) -> None:
        if self._channel:
            self._write("\n")
            self._channel = ""
        held, self._held = self._held, []
        for label, text in held:
            self._line(label, text)

    def _line(self, label: str, text: str) -> None:
        self._end()
        self._write(f"{label:>9}  {text}\n")

    def _beside(self, label: str, text: str) -> None:
        """A line that has no place of its own in the order: it does not break the one that grows."""
        self._held.append((label, text))
        if not self._channel:
            self._end()

    def _grow(self, label: str, text: str, style: str) -> None:
        if self._channel != label:
            self._end()
            self._write(f"{label:>9}  ")
            self._channel, text = label, text.lstrip()
        text = text.replace("\n", "\n" + " " * 11)
        self._write(f"{style}{text}{PLAIN}" if self._colour else text)


def latencies(timings: dict[str, Any]) -> str:
    """In ms, from the arrival of the last voiced sample."""
    told = [f"{label} {timings[name]:.0f} ms" for name, label in NAMES.items() if timings[name] is not None]
    return "after you fell silent: " + ", ".join(told)


def failure(turns: list[Turn]) -> str | None:
    """What to tell a user whose file got no answer, or None."""
    if not turns:
        return "no speech was found in the audio"
    failed = [turn for turn in turns if turn.status == "failed"]
    return f"the reply failed: {failed[0].error or 'the server does not say why'}" if failed else None
