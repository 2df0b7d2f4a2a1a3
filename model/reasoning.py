"""Token text to thinking, reply and calls of tools, across token boundaries.

The prompt already ends in <think> or in an empty chain (model/prompt.py), so what is generated begins
inside the chain or behind it. `</think>` is several ordinary tokens, cut anywhere, and its `>` may come
with the newline that follows: so text is matched, not ids. One scan from left to right, which holds
text back only while it may still become a marker: however the text is cut, the result is the same.
A chain opened where none was asked for is a chain all the same, never read out as the reply. A call is
told once it is whole; it ends at its tag or with the reply. What is said behind a call is dropped: a call
ends what is said, as the field's parsers have it. Knows no tokens, no sessions and no tools.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from model.prompt import AUDIO_END, AUDIO_PATCH, AUDIO_START, BOT, END_THINK, EOT, THINK
from model.tools import CALL, END_CALL

# Special tokens of Step-Audio 2 that a reply may carry, and that nobody wants to read.
SPEECH = ("<tts_start>", "<tts_end>", "<tts_pad>")
HIDDEN = (BOT, EOT, AUDIO_START, AUDIO_END, AUDIO_PATCH, *SPEECH, "<|endoftext|>")
MARKERS = (THINK, END_THINK, CALL, END_CALL, *HIDDEN)
CODEC = re.compile(r"<audio_[0-9]+>")
CODEC_BEGUN = re.compile(r"<audio_[0-9]+\Z")


@dataclass(frozen=True)
class Thinking:
    text: str


@dataclass(frozen=True)
class Reply:
    text: str


@dataclass(frozen=True)
class Call:
    """What stands between the tags; `model.tools.read_call` reads it."""

    text: str


Part = Thinking | Reply | Call


class ReasoningParser:
    """One reply. `thinking`: the prompt left the chain open."""

    def __init__(self, thinking: bool) -> None:
        self.thinking = thinking  # the chain is open now
        self._blank = True  # nothing but newlines came in this part
        self._newlines = ""  # at the end of the chain so far: nobody's, if it ends here
        self._held = ""  # perhaps the beginning of a marker
        self._call: str | None = None  # the open one, so far
        self._called = False
        self._parts: list[Part] = []

    def push(self, text: str) -> list[Part]:
        """The next text, of any length, to what is certain now; neighbours of one kind are joined."""
        pending, self._held = self._held + text, ""
        while pending:
            plain, opening, rest = pending.partition("<")
            self._text(plain)
            pending = opening + rest
            if not pending:
                break
            if marker := _marker(pending):
                self._mark(marker)
                pending = pending[len(marker) :]
            elif _may_become_marker(pending):
                self._held = pending
                break
            else:
                self._text("<")
                pending = rest
        parts, self._parts = self._parts, []
        return parts

    def finish(self, cut: bool = False) -> list[Part]:
        """Nothing more comes: what was held back was text after all. `cut`: more was to come."""
        held, self._held = self._held, ""
        self._text(held)
        if self._call is not None and not cut:
            self._mark(END_CALL)
        parts, self._parts = self._parts, []
        return parts

    def _mark(self, marker: str) -> None:
        if self._call is not None:
            if marker == END_CALL:
                self._parts.append(Call(self._call))
                self._call, self._called = None, True
            elif marker in (THINK, END_THINK, CALL):
                self._call += marker
        elif marker == END_THINK and self.thinking:
            self.thinking, self._blank, self._newlines = False, True, ""
        elif marker == THINK and self._blank and not self._called:
            self.thinking = True
        elif marker == CALL and not self.thinking:
            self._call = ""
        elif marker == THINK or (self.thinking and marker in (CALL, END_CALL)):
            self._text(marker)

    def _text(self, text: str) -> None:
        if self._call is not None:
            self._call += text
            return
        if self._called:
            return
        if self._blank:
            text = text.lstrip("\n")
        if not text:
            return
        self._blank = False
        if not self.thinking:
            self._tell(Reply(text))
            return
        text = self._newlines + text
        told = text.rstrip("\n")
        self._newlines = text[len(told) :]
        if told:
            self._tell(Thinking(told))

    def _tell(self, part: Part) -> None:
        if self._parts and type(self._parts[-1]) is type(part):
            part = type(part)(self._parts.pop().text + part.text)
        self._parts.append(part)


def _marker(text: str) -> str | None:
    """The marker that the text begins with. None is the beginning of another."""
    if codec := CODEC.match(text):
        return codec.group()
    return next((marker for marker in MARKERS if text.startswith(marker)), None)


def _may_become_marker(text: str) -> bool:
    return any(marker.startswith(text) for marker in MARKERS) or CODEC_BEGUN.match(text) is not None
