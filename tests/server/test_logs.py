"""One line for everything that happens, as text or JSON; what was said only where it was asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from server import logs

SECRET = "my PIN is 4711"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger(logs.OURS)
    handlers, level = root.handlers[:], ours.level
    session = logs.SESSION.set(None)
    yield
    logs.SESSION.reset(session)
    root.handlers[:] = handlers
    ours.setLevel(level)


def test_a_line_as_json() -> None:
    out = StringIO()
    logs.configure("json", "info", stream=out)
    logs.tell("session.closed", "sess_1", seconds=2.5, replies=1, errors=None)
    logs.tell("turn.started", "sess_1", item="item_1")  # below the level
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "session.closed",
        "session": "sess_1",
        "seconds": 2.5,
        "replies": 1,
    }


def test_a_line_as_text() -> None:
    out = StringIO()
    logs.configure("text", "debug", content=True, stream=out)
    logs.tell("turn.transcribed", "sess_1", item="item_1", audio_seconds=1.0, transcript='a "b"\nc')
    told = out.getvalue()
    assert told.endswith(
        ' debug turn.transcribed session=sess_1 item=item_1 audio_seconds=1.0 transcript="a \\"b\\"\\nc"\n'
    )
    assert told.count("\n") == 1


def test_a_field_that_no_line_has() -> None:
    logs.configure("text", "debug", stream=StringIO())
    with pytest.raises(AssertionError, match="text"):
        logs.tell("session.closed", "sess_1", text=SECRET)


@pytest.mark.parametrize("content", [False, True])
def test_content_is_written_only_where_it_was_asked_for(content: bool) -> None:
    out = StringIO()
    logs.configure("json", "debug", content, out)
    logs.SESSION.set("sess_1")
    for name, line in logs.LINES.items():
        if name != "log":
            logs.tell(name, **dict.fromkeys(line.content, SECRET))
    try:
        raise ExceptionGroup(SECRET, [ValueError(SECRET)])
    except ExceptionGroup:
        logging.getLogger(logs.OURS).exception("a conversation failed")
        logging.getLogger("asyncio").error("Task exception was never retrieved\nValueError(%r)", SECRET)
        logging.getLogger("asyncio").error("Unhandled exception in event loop", exc_info=True)
    logging.getLogger("websockets").debug("< TEXT %r", SECRET)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == len(logs.LINES) + 2
    assert {line["session"] for line in lines} == {"sess_1"}
    quoting = {line["event"] for line in lines if SECRET in json.dumps(line)}
    assert quoting == ({n for n, line in logs.LINES.items() if line.content} | {"log"} if content else set())
    failed = lines[-3]
    assert failed["message"] == "a conversation failed"
    if not content:
        assert failed["stack"][0] == "ExceptionGroup" and __file__ in "".join(failed["stack"])


def test_a_client_that_vanished_is_no_news() -> None:
    out = StringIO()
    logs.configure("text", "info", stream=out)
    logging.getLogger("asyncio").warning("socket.send() raised exception.")
    logging.getLogger("asyncio").warning("something else")
    assert out.getvalue().count("\n") == 1 and "something else" in out.getvalue()


def test_configured_twice_is_written_once() -> None:
    first, second = StringIO(), StringIO()
    logs.configure("text", "info", stream=first)
    logs.configure("text", "warning", stream=second)
    logs.tell("session.opened", "sess_1")
    logging.getLogger(logs.OURS).warning("careful")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_the_log_goes_to_whatever_standard_error_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure()
    first, second = StringIO(), StringIO()
    for stream, message in ((first, "one"), (second, "two")):
        monkeypatch.setattr("sys.stderr", stream)
        logging.getLogger(logs.OURS).error(message)
    assert "one" in first.getvalue() and "two" not in first.getvalue()
    assert "two" in second.getvalue()
