"""What the operator reads in the log: a line for everything that happens to a conversation, as text or JSON.

`tell` writes one of the lines of `LINES`; nothing else has fields. Every line written while a conversation is
served carries its session's id, whoever writes it. What was said (`content`) is left out unless the operator
asked for it, and so are the messages of exceptions, which may quote it: then their type and place stand
alone. Other packages are heard from warnings on, first lines only: at `debug` some of them print what goes
over the wire. Lines go to stderr. Knows no conversation and no sockets.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

SESSION: ContextVar[str | None] = ContextVar("session", default=None)  # whose lines are written
OURS = "soundmind"
logger = logging.getLogger(OURS)


@dataclass(frozen=True)
class Line:
    """`content` are the fields that are written only if the operator asked for them."""

    level: int
    what: str
    fields: tuple[str, ...] = ()
    content: tuple[str, ...] = ()


LINES: dict[str, Line] = {
    "session.opened": Line(logging.INFO, "a client has begun a conversation"),
    "session.closed": Line(logging.INFO, "it has ended", ("seconds", "replies", "errors")),
    "turn.started": Line(logging.DEBUG, "the user began to speak", ("item",)),
    "turn.stopped": Line(logging.DEBUG, "the user fell silent", ("item",)),
    "turn.committed": Line(logging.DEBUG, "a spoken turn became part of the conversation", ("item",)),
    "turn.transcribed": Line(
        logging.DEBUG, "it has been written down", ("item", "audio_seconds"), ("transcript",)
    ),
    "turn.untranscribed": Line(logging.WARNING, "writing it down failed", ("item",), ("message",)),
    "item.added": Line(logging.DEBUG, "an item became part of the conversation", ("item", "kind"), ("text",)),
    "response.started": Line(logging.DEBUG, "a reply is being made", ("response", "outside", "spoken")),
    "response.called": Line(
        logging.DEBUG, "the reply calls a tool", ("response", "item"), ("tool", "arguments")
    ),
    "response.done": Line(
        logging.INFO,
        "a reply has ended, with its tokens and its timings (as in `soundmind.timings`; those that did not "
        "happen are left out)",
        (
            "response",
            "status",
            "reason",
            "audio_tokens",
            "text_tokens",
            "cached_tokens",
            "reasoning_tokens",
            "reply_tokens",
            "turn_ended_ms",
            "first_thinking_ms",
            "first_reply_ms",
            "first_sound_ms",
            "done_ms",
            "append_ms",
            "stopped_ms",
        ),
        ("thinking", "text", "message"),
    ),
    "error": Line(logging.INFO, "the client was told an error", ("code",), ("message",)),
    "log": Line(logging.DEBUG, "any other line, whoever writes it", ("logger", "message", "stack")),
}


def tell(name: str, session: str | None = None, **fields: Any) -> None:
    """One of `LINES`. A field that is None is left out."""
    line = LINES[name]
    if not logger.isEnabledFor(line.level):
        return
    assert fields.keys() <= {*line.fields, *line.content}, (name, sorted(fields))
    told = {key: value for key, value in fields.items() if value is not None}
    logger.log(line.level, name, extra={"told": told, "session": session})


class Formatter(logging.Formatter):
    """One line a record."""

    def __init__(self, form: Format, content: bool) -> None:
        super().__init__()
        self._form = form
        self._content = content

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        session = getattr(record, "session", None) or SESSION.get()
        name, fields = self._told(record)
        if session is not None:
            fields = {"session": session, **fields}
        level = record.levelname.lower()
        if self._form == "json":
            return json.dumps({"time": when, "level": level, "event": name, **fields}, ensure_ascii=False)
        return " ".join([when, level, name, *(f"{key}={_text(value)}" for key, value in fields.items())])

    def _told(self, record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
        told: dict[str, Any] | None = getattr(record, "told", None)
        if told is not None:
            hidden = () if self._content else LINES[record.msg].content
            return record.msg, {key: value for key, value in told.items() if key not in hidden}
        fields: dict[str, Any] = {"logger": record.name, "message": self._message(record)}
        if record.exc_info and record.exc_info[1] is not None:
            fields["stack"] = self._stack(record.exc_info[1])
        return "log", fields

    def _message(self, record: logging.LogRecord) -> str:
        """Others may quote anything behind the first line."""
        message = record.getMessage()
        return message if self._content or record.name == OURS else message.partition("\n")[0]

    def _stack(self, error: BaseException) -> list[str]:
        """The error's type and the places that it passed, innermost last; its own words only with content."""
        if self._content:
            return "".join(traceback.format_exception(error)).splitlines()
        return list(_places(error))


def _places(error: BaseException) -> Iterator[str]:
    """Of a group, and then of its first error."""
    yield type(error).__qualname__
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{frame.filename}:{frame.lineno} {frame.name}"
    if isinstance(error, BaseExceptionGroup):
        yield from _places(error.exceptions[0])


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=\n\t') else text


class StandardError(logging.StreamHandler[TextIO]):
    """Whatever that is just now: it is another one while an engine starts (`streaming.quiet`)."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def _news(record: logging.LogRecord) -> bool:
    """asyncio warns of each piece that is still sent to a client which has vanished. Clients do."""
    return not (record.name == "asyncio" and record.msg == "socket.send() raised exception.")


def configure(
    form: Format = "text", level: Level = "warning", content: bool = False, stream: TextIO | None = None
) -> None:
    """Write the log from here on, to stderr unless told otherwise. What was configured before is undone."""
    handler = StandardError() if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(Formatter(form, content))
    handler.addFilter(_news)
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h.formatter, Formatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    logger.setLevel(level.upper())
