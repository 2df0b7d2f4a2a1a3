"""What a bad client sends: valid events out of order, spoilt ones, and what is no event at all.

Everything follows from a seed, but for the ids, which are those that the server has told. Knows no sockets.
"""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Wire = dict[str, Any]
Message = str | bytes

HUGE = 16 * 2**20  # characters: beyond what an event may have, within what a message may
JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**63), 10**30, 0.1, 1e308, "", " ", "\0", "a" * 5000, "root"),
    *("audio/pcm", "inf", "é\u202e日本\U0001f600", "{}", [], {}, [[]], [None], {"": None}, {"type": {}}),
    *({"type": "message"}, ["text"], {"a": {"b": {"c": []}}}, "null", "../../etc", "<|EOT|>", "<think>"),
)
NO_JSON = (
    *("", " ", "{", "}", "[", "null", "true", "0", '"x"', "[]", "{}", "{]", "NaN", '{"type": NaN}'),
    *('{"type": "\\ud800"}', "{'type': 'a'}", "\0", "﻿{}", '{"type": "response.create"', '{"a":1}{"b":2}'),
    *("[" * 3000, '{"a":' * 3000, "GET / HTTP/1.1", '{"type": 1e999}', '{"type": "response.create",}'),
)


class Mischief:
    """Messages of one bad client. `items` and `responses` are ids that it knows."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.items = ["nobody"]
        self.responses = ["nothing"]
        self._kinds: dict[Callable[[], Iterator[Message]], float] = {
            self._valid: 40,
            self._spoilt: 30,
            self._cut: 8,
            self._junk: 8,
            self._binary: 4,
            self._flood: 0.3,
            self._huge: 0.01,
        }

    def __iter__(self) -> Iterator[Message]:
        """Without end."""
        kinds, weights = list(self._kinds), list(self._kinds.values())
        while True:
            yield from self.dice.choices(kinds, weights)[0]()

    def of(self, *choices: Any) -> Any:
        return self.dice.choice(choices)

    # --- the ways to be bad ---

    def _valid(self) -> Iterator[Message]:
        yield json.dumps(self.event())

    def _spoilt(self) -> Iterator[Message]:
        event = copy.deepcopy(self.event())
        for _ in range(self.of(1, 1, 2, 3)):
            self._spoil(event)
        yield json.dumps(event)

    def _spoil(self, value: Any) -> None:
        """One part of it, however deep, is something else, gone, doubled or new."""
        while True:
            keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
            if not keys:
                return
            key = self.dice.choice(keys)
            if isinstance(value[key], dict | list) and value[key] and self.dice.random() < 0.6:
                value = value[key]
                continue
            match self.dice.randrange(5):
                case 0:
                    del value[key]
                case 1 if isinstance(value, dict):
                    value[self.of("x", "", "type", "id", "audio", "__class__", "é")] = self._junk_value()
                case 1:
                    value.extend(value[:1])
                case 2:
                    value[key] = [value[key]]
                case _:
                    value[key] = self._junk_value()
            return

    def _junk_value(self) -> Any:
        """Of its own: it may be spoilt further."""
        return copy.deepcopy(self.of(*JUNK))

    def _cut(self) -> Iterator[Message]:
        text = json.dumps(self.event())
        yield text[: self.dice.randrange(len(text))]

    def _junk(self) -> Iterator[Message]:
        yield self.of(
            self.of(*NO_JSON),
            json.dumps(self.of(*JUNK)),
            "".join(chr(self.dice.randrange(1, 0xD7FF)) for _ in range(self.dice.randrange(40))),
            json.dumps({"type": self.of(*JUNK, "response.explode", "session.created")}),
        )

    def _binary(self) -> Iterator[Message]:
        yield self.of(self.dice.randbytes(self.dice.randrange(300)), json.dumps(self.event()).encode())

    def _flood(self) -> Iterator[Message]:
        message = json.dumps(self.event())
        for _ in range(self.dice.randrange(10, 60)):
            yield message

    def _huge(self) -> Iterator[Message]:
        yield self.of(
            json.dumps({"type": "input_audio_buffer.append", "audio": "A" * HUGE}),
            json.dumps({"type": "x" * 2**20}),
            json.dumps({"type": "conversation.item.create", "item": self._typed("a" * 2**20)}),
            json.dumps({"type": "response.create", "response": {"metadata": {"a": "b" * 2**20}}}),
            b"\0" * 2**22,
        )

    # --- valid events, which may be wrong where they come ---

    def event(self) -> Wire:
        makers = (self._append, self._buffer, self._item, self._about_item, self._response, self._session)
        event: Wire = self.dice.choices(makers, (5, 2, 3, 3, 3, 2))[0]()
        if self.dice.random() < 0.3:
            event["event_id"] = self.of("mine", "", "x" * 100)
        return event

    def _append(self) -> Wire:
        size = self.of(0, 1, 2, 320, 960, 960, *(self.dice.randrange(5000) for _ in range(3)))
        if self.dice.random() < 0.02:
            size = self.dice.randrange(100_000)
        tone = self.of(b"\0\0", b"\0\x40\0\xc0", self.dice.randbytes(64))
        audio = (tone * (size // len(tone) + 1))[:size]
        return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}

    def _buffer(self) -> Wire:
        return {"type": self.of("input_audio_buffer.commit", "input_audio_buffer.clear")}

    def _known_item(self) -> str:
        return self.dice.choice(self.items[-8:])

    def _typed(self, text: str) -> Wire:
        role = self.of("user", "user", "system", "assistant")
        kind = "output_text" if role == "assistant" else "input_text"
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}

    def _any_item(self) -> Wire:
        audio = base64.b64encode(self.dice.randbytes(2 * self.dice.randrange(5000))).decode()
        recorded = {"type": "input_audio", "audio": audio, "transcript": self.of(None, "hm")}
        n = self.dice.randrange(10**6)
        item: Wire = self.of(
            self._typed(self.of("hi", "one plus one", "é" * 50, "<|EOT|>")),
            self._typed("again"),
            {"type": "message", "role": "user", "content": [recorded]},
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": f"call_{n % 20}"},
            {"type": "function_call_output", "call_id": f"call_{n % 20}", "output": "1"},
        )
        return item | ({"id": f"mine_{n % 50}"} if n % 2 else {})

    def _item(self) -> Wire:
        after = self.of(None, "root", self._known_item())
        return {"type": "conversation.item.create", "item": self._any_item(), "previous_item_id": after}

    def _about_item(self) -> Wire:
        where = {"item_id": self._known_item()}
        cut = {"content_index": 0, "audio_end_ms": self.dice.randrange(3000)}
        event: Wire = self.of(
            {"type": "conversation.item.delete", **where},
            {"type": "conversation.item.retrieve", **where},
            {"type": "conversation.item.truncate", **where, **cut},
        )
        return event

    def _response(self) -> Wire:
        given = self.of(None, [], [self._any_item()], [{"type": "item_reference", "id": self._known_item()}])
        wanted = {
            "conversation": self.of("none", "auto"),
            "input": given,
            "output_modalities": self.of(["text"], ["audio"]),
            "reasoning": {"effort": self.of("minimal", "low", "high"), "max_tokens": self.of(1, 50)},
            "max_output_tokens": self.of("inf", 1, 100),
            "metadata": self.of(None, {"a": "b"}),
        }
        event: Wire = self.of(
            {"type": "response.create"},
            {"type": "response.create", "response": wanted},
            {"type": "response.cancel"},
            {"type": "response.cancel", "response_id": self.dice.choice(self.responses[-3:])},
        )
        return event

    def _session(self) -> Wire:
        answered = {"create_response": self.of(True, False), "interrupt_response": self.of(True, False)}
        silence = {"silence_duration_ms": self.of(0, 200, 500), "threshold": self.of(0, 0.5, 1)}
        detection = self.of(
            None,
            {"type": "server_vad", **answered, **silence},
            {"type": "semantic_vad", "eagerness": self.of("low", "high"), **answered},
        )
        hears, speaks = self.of(*FORMATS), self.of(*FORMATS)
        session = {
            "type": "realtime",
            "instructions": self.of("a", "b", "long " * 50),
            "truncation": self.of(
                "auto", "disabled", {"type": "retention_ratio", "retention_ratio": self.dice.random()}
            ),
            "tools": self.of([], [{"type": "function", "name": "f", "parameters": {"type": "object"}}]),
            "tool_choice": self.of("auto", "auto", "none", "required"),
            "output_modalities": self.of(["text"], ["audio"]),
            "soundmind": {
                "encoding": self.of("incremental", "refined"),
                "speculation": self.of(True, False),
                "while_listening": self.of(True, False),
                "pace": self.of("think_then_speak", "think_first", "speak_first"),
                "resume": self.of(True, True, False),
            },
            "audio": {
                "input": {
                    "format": {"type": hears},
                    "turn_detection": detection,
                    "transcription": self.of(None, {"model": "any"}),
                },
                "output": {"format": {"type": speaks}, "speed": self.of(0.25, 1, 1.5)},
            },
        }
        kept = {key: value for key, value in session.items() if self.dice.random() < 0.6}
        return {"type": "session.update", "session": {**kept, "type": "realtime"}}


FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")
