"""What `soundmind ask` and `soundmind talk` print: the conversation as it happens, for people or programs."""

from __future__ import annotations

import json
import os
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


class Lines:
    """Lines with a label each; one at a time may grow, and a status may stand below them all."""

    def __init__(self, out: TextIO) -> None:
        self._write: Callable[[str], int] = out.write
        self.flush = out.flush
        self.terminal = out.isatty()
        self._colour = self.terminal and not os.environ.get("NO_COLOR")  # no-color.org
        self._channel = ""  # whose line is open
        self._held: list[tuple[str, str]] = []  # lines that wait for its end
        self._status = ""  # what stands there

    def end(self) -> None:
        """No line is open, and no status stands."""
        self._clear()
        if self._channel:
            self._write("\n")
            self._channel = ""
        held, self._held = self._held, []
        for label, text in held:
            self.line(label, text)

    def line(self, label: str, text: str, style: str = "") -> None:
        self.end()
        self._write(f"{label:>9}  {self._styled(text, style)}\n")

    def beside(self, label: str, text: str) -> None:
        """A line that has no place of its own in the order: it does not break the one that grows."""
        self._held.append((label, text))
        if not self._channel:
            self.end()

    def grow(self, label: str, text: str, style: str) -> None:
        if self._channel != label:
            self.end()
            self._write(f"{label:>9}  ")
            self._channel, text = label, text.lstrip()
        self._write(self._styled(text.replace("\n", "\n" + " " * 11), style))

    def status(self, label: str, text: str) -> None:
        """In the place of the one before, on a terminal and where no line grows."""
        told = f"{label:>9}  {text}"
        if self.terminal and not self._channel and told != self._status:
            self._clear()
            self._write(told)
            self._status = told

    def _clear(self) -> None:
        if self._status:
            self._write("\r\033[K")
            self._status = ""

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{PLAIN}" if self._colour and style else text


class TextReport:
    """Thinking dim, the reply bright, both growing as they come."""

    def __init__(self, out: TextIO) -> None:
        self._lines = Lines(out)

    def event(self, event: dict[str, Any]) -> None:
        lines = self._lines
        match event["type"]:
            case "input_audio_buffer.speech_started":
                lines.line("speech", f"started at {event['audio_start_ms'] / 1000:.2f} s")
            case "input_audio_buffer.speech_stopped":
                lines.line("speech", f"stopped at {event['audio_end_ms'] / 1000:.2f} s")
            case "conversation.item.input_audio_transcription.completed":
                lines.beside("heard", event["transcript"])
            case "conversation.item.input_audio_transcription.failed":
                lines.beside("heard", f"(no transcript: {event['error']['message']})")
            case "response.reasoning_text.delta":
                lines.grow("thinking", event["delta"], DIM)
            case "response.output_text.delta":
                lines.grow("reply", event["delta"], BOLD)
            case "soundmind.timings":
                lines.line("latency", latencies(event))
            case "response.done" if event["response"]["status"] != "completed":
                lines.line("reply", f"({event['response']['status']})")
        lines.flush()

    def summary(self, summary: dict[str, Any]) -> None:
        self._lines.end()
        self._lines.flush()


def latencies(timings: dict[str, Any]) -> str:
    """In ms, from the arrival of the last voiced sample; where no turn was spoken, from the request."""
    told = [f"{label} {timings[name]:.0f} ms" for name, label in NAMES.items() if timings[name] is not None]
    since = "you asked" if timings["turn_ended_ms"] is None else "you fell silent"
    return f"after {since}: " + ", ".join(told)


def failure(turns: list[Turn]) -> str | None:
    """What to tell a user whose file got no answer, or None."""
    if not turns:
        return "no speech was found in the audio"
    failed = [turn for turn in turns if turn.status == "failed"]
    return f"the reply failed: {failed[0].error or 'the server does not say why'}" if failed else None
