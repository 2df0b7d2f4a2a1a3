"""A caller's account of its replies, from the server's events."""

from __future__ import annotations

from server.load.ledger import Ledger, Wire


def event(kind: str, **fields: object) -> Wire:
    return {"type": kind, **fields}


def done(status: str = "completed", *output: Wire, **fields: object) -> Wire:
    return event("response.done", response={"id": "r1", "status": status, "output": list(output), **fields})


def test_the_first_of_each_sign_counts_and_pending_ends_with_the_reply() -> None:
    ledger = Ledger()
    message = {"type": "message", "content": [{"type": "output_text", "text": "It is 42."}]}
    for at, one in enumerate(
        [
            event("session.updated"),
            event("input_audio_buffer.speech_started"),
            event("input_audio_buffer.committed", item_id="i1"),
            event("response.created", response={"id": "r1"}),
            event("response.reasoning_text.delta", response_id="r1", delta="a"),
            event("response.reasoning_text.delta", response_id="r1", delta="b"),
            event("response.output_text.delta", response_id="r1", delta="It"),
            event("response.output_audio.delta", response_id="r1", delta=""),
            event("response.output_text.delta", response_id="r1", delta=" is"),
            done("completed", message),
        ],
        1,
    ):
        assert ledger.pending == (2 < at)
        ledger.take(one, float(at))
    (reply,) = ledger.replies
    assert not ledger.pending and ledger.configured and ledger.error is None
    assert (reply.first_thought, reply.first_word, reply.first_audio, reply.ended) == (5, 7, 8, 10)
    assert (reply.status, reply.text, ledger.starts) == ("completed", "It is 42.", [2])


def test_a_call_is_a_first_word_and_a_failure_says_why() -> None:
    ledger = Ledger()
    ledger.take(event("response.created", response={"id": "r1"}), 1)
    ledger.take(event("response.function_call_arguments.delta", response_id="r1", delta="{"), 2)
    call = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
    ledger.take(done("failed", call, status_details={"error": {"code": "engine_failed"}}), 3)
    (reply,) = ledger.replies
    assert reply.begun and reply.first_word == 2 and reply.calls == [call]
    assert (reply.status, reply.reason) == ("failed", "engine_failed")


def test_a_sound_that_was_no_turn_leaves_nothing_pending() -> None:
    ledger = Ledger()
    ledger.take(event("input_audio_buffer.speech_started"), 1)
    assert ledger.pending
    ledger.take(event("input_audio_buffer.cleared"), 2)
    assert not ledger.pending
    ledger.take(event("error", error={"code": "session_limit", "message": "full"}), 3)
    ledger.take(event("error", error={"code": None, "message": "more"}), 4)
    assert ledger.error == "session_limit"
