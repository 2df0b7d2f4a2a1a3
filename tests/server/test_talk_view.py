"""What a terminal shows of a spoken conversation, and when."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest

from server.report import Lines
from server.talk_view import FLOOR_DB, View, bar, decibels


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def words(text: str, item_id: str = "a") -> dict[str, Any]:
    return {"type": "response.output_audio_transcript.delta", "item_id": item_id, "delta": text}


def sound(samples: int, item_id: str = "a") -> dict[str, Any]:
    delta = base64.b64encode(bytes(2 * samples)).decode()
    return {"type": "response.output_audio.delta", "item_id": item_id, "delta": delta}


TIMINGS = {
    "type": "soundmind.timings",
    "turn_ended_ms": 500.0,
    "first_thinking_ms": 600.0,
    "first_reply_ms": 700.0,
    "first_sound_ms": 812.0,
    "done_ms": 900.0,
}


def spoken() -> list[dict[str, Any]]:
    """A reply of three words, a tenth of a second each, and its timings."""
    events = [event for word in ("one ", "two ", "three") for event in (words(word), sound(2400))]
    return [*events, {"type": "response.output_audio.done", "item_id": "a"}, TIMINGS]


def test_words_are_shown_when_they_are_heard_and_the_latencies_behind_them() -> None:
    out = io.StringIO()
    view = View(Lines(out))
    for event in spoken():
        view.event(event)
    seen = []
    for heard in (0, 1, 2400, 2401, 7200):
        view.advance({"a": heard}.__getitem__)
        seen.append(out.getvalue())
    assert seen[:4] == ["", "    reply  one ", "    reply  one ", "    reply  one two "]
    assert "one two three\n" in seen[4] and "first sound 812 ms" in seen[4]
    assert not view.waiting


def test_what_was_not_heard_is_marked_and_late_words_are_not_shown() -> None:
    out = io.StringIO()
    view = View(Lines(out))
    for event in spoken():
        view.event(event)
    view.advance({"a": 1}.__getitem__)
    view.cut({"a": 2500})
    view.event(words("four"))
    view.event(
        {
            "type": "response.done",
            "response": {"status": "cancelled", "status_details": {"reason": "turn_detected"}},
        }
    )
    assert out.getvalue().splitlines()[0] == "    reply  one two  [not heard: three]"
    assert "(cut off)" in out.getvalue() and "four" not in out.getvalue()


def test_trailing_text_without_sound_is_shown_at_the_end() -> None:
    out = io.StringIO()
    view = View(Lines(out))
    for event in (words("yes"), sound(2400), words("."), {**sound(0), "type": "response.output_audio.done"}):
        view.event(event)
    view.advance({"a": 2399}.__getitem__)
    assert out.getvalue().endswith("yes")
    view.advance({"a": 2400}.__getitem__)
    assert out.getvalue().endswith("yes.")


def test_thinking_is_dim_the_reply_bright_unless_no_colour_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(out: io.StringIO) -> str:
        view = View(Lines(out))
        view.event({"type": "response.reasoning_text.delta", "delta": "hm"})
        view.event({"type": "response.output_text.delta", "delta": "yes"})
        view.end()
        return out.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[2mhm\033[0m" in shown(Terminal()) and "\033[1myes\033[0m" in shown(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(Terminal()) == shown(io.StringIO()) == " thinking  hm\n    reply  yes\n"


def test_the_meter_stands_below_on_a_terminal_and_gives_way() -> None:
    loud, out, pipe = b"\xff\x7f" * 480, Terminal(), io.StringIO()
    for view in (View(Lines(out)), View(Lines(pipe))):
        view.level(loud, muted=False)
        view.event({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0})
        view.level(loud, muted=False)
        view.level(loud, muted=True)
        view.note("here")
    assert pipe.getvalue() == "           here\n"
    standing = out.getvalue().split("\r\033[K")
    assert [line.split()[:2] for line in standing[:2]] == [["listening", "#" * 20], ["you", "speak"]]
    assert standing[2].strip() == "muted" and "here" in standing[3]


def test_of_a_typed_turn_there_is_no_silence_to_count_from() -> None:
    out = io.StringIO()
    View(Lines(out)).event({**TIMINGS, "turn_ended_ms": None})
    assert "after you asked: first thought 600 ms" in out.getvalue()


def test_levels() -> None:
    assert decibels(bytes(960)) == decibels(b"") == FLOOR_DB
    assert decibels(b"\x00\x80" * 480) == 0.0
    assert (bar(FLOOR_DB), bar(0.0)) == ("." * 20, "#" * 20)


@pytest.mark.parametrize(
    ("response", "told"),
    [
        ({"status": "failed", "status_details": {"error": {"message": "gone"}}}, "(failed: gone)"),
        ({"status": "incomplete", "status_details": {"reason": "max_output_tokens"}}, "max_output_tokens"),
        ({"status": "cancelled"}, "(cancelled)"),
    ],
)
def test_replies_that_were_not_completed(response: dict[str, Any], told: str) -> None:
    out = io.StringIO()
    View(Lines(out)).event({"type": "response.done", "response": response})
    assert told in out.getvalue()
