"""What waits for the line, and what goes once more."""

from __future__ import annotations

import base64
import random

import pytest

from server.backlog import BYTES_A_MS, Backlog


def said(backlog: Backlog) -> bytes:
    """All audio that waits."""
    audio = b""
    while (event := backlog.next()) is not None:
        if event["type"] == "input_audio_buffer.append":
            audio += base64.b64decode(event["audio"])
    return audio


def tone(milliseconds: int) -> bytes:
    return random.randbytes(milliseconds * BYTES_A_MS)


def test_events_and_audio_are_sent_in_their_order() -> None:
    backlog = Backlog()
    backlog.post({"type": "first"})
    backlog.say(tone(20))
    backlog.post({"type": "last"})
    kinds = [event["type"] for event in iter(backlog.next, None) if event]
    assert kinds == ["first", "input_audio_buffer.append", "last"]


@pytest.mark.parametrize("here", [0, 1, 20, 31, 59, 60])
def test_what_did_not_come_goes_once_more_before_all_that_waits(here: int) -> None:
    backlog, audio = Backlog(), tone(80)
    for at in range(3):
        backlog.say(audio[at * 20 * BYTES_A_MS : (at + 1) * 20 * BYTES_A_MS])
    said(backlog)
    backlog.say(audio[60 * BYTES_A_MS :])
    for _ in range(2):  # and again, where that line drops, too
        backlog.resumed(here)
        assert said(backlog) == audio[here * BYTES_A_MS :]
    backlog.resumed(80)
    assert said(backlog) == b""


def test_the_oldest_is_not_kept_whether_it_was_sent_or_waits() -> None:
    backlog, audio = Backlog(seconds=0.1), tone(200)
    for at in range(0, 60, 20):
        backlog.say(audio[at * BYTES_A_MS : (at + 20) * BYTES_A_MS])
    said(backlog)
    backlog.post({"type": "kept"})
    for at in range(60, 200, 20):
        backlog.say(audio[at * BYTES_A_MS : (at + 20) * BYTES_A_MS])
    backlog.resumed(0)
    assert backlog.next() == {"type": "kept"}
    assert said(backlog) == audio[100 * BYTES_A_MS :]
    backlog.resumed(40)  # its clock goes on from what it was sent
    assert said(backlog) == audio[140 * BYTES_A_MS :]


def test_an_event_that_was_not_sent_stays_behind_the_audio_before_it() -> None:
    backlog, audio = Backlog(), tone(20)
    backlog.say(audio)
    backlog.post({"type": "then"})
    first, then = backlog.next(), backlog.next()
    assert first and then
    backlog.unsent(first)
    backlog.unsent(then)
    backlog.resumed(0)
    assert [event["type"] for event in iter(backlog.next, None) if event] == [
        "input_audio_buffer.append",
        "then",
    ]
