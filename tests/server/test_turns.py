"""A client's account: which turns there were, what was said in them, and what is pending."""

from __future__ import annotations

from typing import Any

from server.turns import Turns

TIMINGS = {"turn_ended_ms": 510.0, "first_thinking_ms": None, "first_reply_ms": 600.0, "done_ms": 700.0}


def spoken(item: str) -> list[dict[str, Any]]:
    return [
        {"type": "input_audio_buffer.speech_started", "item_id": item},
        {"type": "input_audio_buffer.speech_stopped", "item_id": item},
        {"type": "input_audio_buffer.committed", "item_id": item},
    ]


def reply(response: str, status: str = "completed") -> list[dict[str, Any]]:
    return [
        {"type": "response.created", "response": {"id": response}},
        {"type": "response.reasoning_text.delta", "response_id": response, "delta": "1+1"},
        {"type": "response.output_text.delta", "response_id": response, "delta": "tw"},
        {"type": "response.output_text.delta", "response_id": response, "delta": "o"},
        {"type": "soundmind.timings", "response_id": response, "item_id": "x", **TIMINGS},
        {"type": "response.done", "response": {"id": response, "status": status, "status_details": None}},
    ]


def heard(item: str, text: str) -> dict[str, Any]:
    kind = "conversation.item.input_audio_transcription.completed"
    return {"type": kind, "item_id": item, "transcript": text}


def test_what_was_no_turn_is_not_waited_for() -> None:
    turns = Turns(transcripts=True)
    turns.take({"type": "input_audio_buffer.speech_started", "item_id": "a"})
    assert turns.pending
    for kind in ("speech_stopped", "cleared"):
        turns.take({"type": f"input_audio_buffer.{kind}", "item_id": "a"})
    assert not turns.pending and not turns.turns


def test_nothing_is_pending_before_and_after() -> None:
    turns = Turns(transcripts=True)
    assert not turns.pending
    for event in [*spoken("a"), *reply("r")]:
        turns.take(event)
        assert turns.pending
    turns.take(heard("a", "one and one"))
    assert not turns.pending
    summary = turns.summary()
    assert summary == {
        "type": "summary",
        "heard": "one and one",
        "thinking": "1+1",
        "reply": "two",
        "status": "completed",
        "timings": TIMINGS,
        "turns": [
            {
                "item_id": "a",
                "heard": "one and one",
                "thinking": "1+1",
                "reply": "two",
                "status": "completed",
                "error": None,
                "timings": TIMINGS,
            }
        ],
    }


def test_a_barge_in_makes_two_turns() -> None:
    turns = Turns(transcripts=False)
    first, second = spoken("a"), spoken("b")
    for event in [*first, *reply("r")[:3], second[0], *reply("r", "cancelled")[-2:]]:
        turns.take(event)
    assert turns.pending
    for event in [*second[1:], *reply("s")]:
        turns.take(event)
    assert not turns.pending
    assert [turn.status for turn in turns.turns] == ["cancelled", "completed"]
    assert [turn.reply for turn in turns.turns] == ["tw", "two"]


def test_a_failed_transcript_is_not_waited_for() -> None:
    turns = Turns(transcripts=True)
    failed = {"type": "conversation.item.input_audio_transcription.failed", "item_id": "a", "error": {}}
    for event in [*spoken("a"), *reply("r"), failed]:
        turns.take(event)
    assert not turns.pending
    assert turns.turns[0].heard is None


def test_silence_has_a_summary_too() -> None:
    assert Turns(True).summary()["turns"] == []
