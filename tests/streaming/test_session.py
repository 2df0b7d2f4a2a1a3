"""Conversations over a scripted engine: order, barge-in, overlap, bad moments, and no request left."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streaming.context import Context
from streaming.engine import Sampling
from streaming.errors import (
    DuplicateItem,
    EmptyBuffer,
    EngineUnavailable,
    Forgotten,
    NoActiveResponse,
    Refused,
    ResponseActive,
    TooLong,
    UnknownItem,
)
from streaming.events import (
    Cleared,
    Committed,
    IdleTimeout,
    ItemAdded,
    Message,
    ReplyDelta,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    ServerVad,
    SessionSettings,
    SpeechStarted,
    SpeechStopped,
    ThinkingDelta,
    ThinkingDone,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    Trouble,
    Truncation,
)
from streaming.session import STALL_SECONDS
from tests.scripted import REPLY, ScriptedEngine
from tests.streaming.talk import Talk, talk

MANUAL = SessionSettings(turn_detection=None)
AFTERWARDS = SessionSettings(speculation=False)


async def test_one_spoken_turn_from_start_to_end() -> None:
    async with talk() as t:
        await t.pause(400)
        await t.speak()
        await t.pause()
        await t.settle()
    kinds = [type(e) for e in t.events]
    assert kinds == [
        SpeechStarted,
        SpeechStopped,
        Committed,
        ItemAdded,
        ResponseStarted,
        *[ThinkingDelta] * 2,
        ThinkingDone,
        ReplyStarted,
        *[ReplyDelta] * 2,
        ResponseDone,
    ]
    started, stopped, done = t.of(SpeechStarted)[0], t.of(SpeechStopped)[0], t.of(ResponseDone)[0]
    assert 0 <= started.at_ms <= 400 < stopped.at_ms  # the padding included
    assert done.status == "completed"
    assert done.text == "1 plus 1 is 2."
    assert done.thinking == "heard: one plus one\n1+1=2"
    assert done.usage.audio == t.engine.requests[0].audio_tokens > 0
    assert (done.usage.reasoning, done.usage.reply) == (3, 2)


async def test_it_has_read_nearly_everything_before_the_turn_ends() -> None:
    async with talk() as t:
        await t.speak(3000)
        await t.settle()
        before = sum(c.audio_tokens for c in t.engine.appends[0])
        await t.pause()
        await t.settle()
    assert before * 80 >= 3000 - 400 - 320 - 80  # a chunk in the making, the look-ahead, a token
    assert len(t.engine.appends[0]) > 5


async def test_the_fork_repeats_what_the_listener_was_given() -> None:
    async with talk(settings=AFTERWARDS) as t:
        await t.speak(2000)
        await t.pause()
        await t.settle()
    given = sum((c for c in t.engine.appends[0]), Context())
    fork = t.engine.requests[0]
    shared = len(fork) - len(t.engine.prompt.assistant_open(True))
    assert fork.ids[:shared] == given.ids[:shared]  # the listener has the reply behind it by now
    assert [a.key for a in fork.audio] == [a.key for a in given.audio]


async def test_timings_count_from_the_last_voiced_sample() -> None:
    async with talk() as t:
        await t.speak()
        await t.pause()
        await t.settle()
    timings = t.of(ResponseDone)[0].timings
    assert timings.turn_ended is not None and 450 <= timings.turn_ended <= 600
    assert timings.first_thinking is not None and timings.first_reply is not None and timings.done is not None
    assert timings.turn_ended <= timings.first_thinking <= timings.first_reply <= timings.done


async def test_barge_in_aborts_at_once_and_keeps_what_was_told() -> None:
    engine = ScriptedEngine()
    async with talk(engine) as t:
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause()
        await t.settle()
        assert engine.running() == 2  # the listener and the speaker
        await t.speak(500)
        await t.settle()
        assert engine.running() == 1
        done = t.of(ResponseDone)[0]
        assert (done.status, done.reason) == ("cancelled", "turn_detected")
        assert done.thinking == "heard: one plus one"  # a newline could belong to the end of the thoughts
        order = [type(e) for e in t.events]
        assert order.index(ResponseDone) > [i for i, k in enumerate(order) if k is SpeechStarted][1]
        engine.gate.set()
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[1].status == "completed"


async def test_a_reply_cut_off_stays_in_the_context_as_far_as_it_was_told() -> None:
    def stop_after(context: Context, sampling: Sampling) -> tuple[str, ...]:
        return ("\n</think>\n" + "one two three ", "never told")

    engine = ScriptedEngine(stop_after)
    async with talk(engine) as t:
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause()
        await t.settle()
        await t.speak()
        await t.pause()
        await t.settle()
    heard = bytes(i for i in engine.requests[1].ids if i < 256).decode()
    assert "one two three" in heard
    assert "never told" not in heard
    assert "<think>" not in heard[: heard.rindex("assistant")]  # past reasoning never enters the history


async def test_speech_that_may_not_interrupt_leaves_the_reply_alone() -> None:
    settings = SessionSettings(turn_detection=ServerVad(interrupt_response=False))
    engine = ScriptedEngine()
    async with talk(engine, settings) as t:
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause()
        await t.settle()
        await t.speak(300)
        engine.gate.set()
        await t.settle()
        assert t.of(ResponseDone)[0].status == "completed"
        await t.pause()
        await t.settle()
    # The reply stands between the two questions, though it ended while the second was being spoken.
    text = bytes(i for i in engine.requests[1].ids if i < 256).decode()
    assert text.index("1 plus 1 is 2.") < text.rindex("human")


async def test_without_detection_the_client_decides() -> None:
    async with talk(settings=MANUAL) as t:
        await t.speak(1000)
        t.session.commit()
        await t.settle()
        assert [type(e) for e in t.events] == [Committed, ItemAdded]
        t.session.create_response(ResponseRequest(metadata={"mark": "7"}))
        await t.settle()
    assert t.of(ResponseStarted)[0].metadata == {"mark": "7"}
    assert t.of(ResponseDone)[0].metadata == {"mark": "7"}


async def test_detection_can_be_switched_in_the_middle_of_a_turn() -> None:
    async with talk(settings=MANUAL) as t:
        await t.speak(300)
        t.session.configure(SessionSettings())  # what was not committed is gone
        await t.speak()
        t.session.configure(MANUAL)  # what is being said goes on, and is the client's to commit
        await t.pause()
        await t.settle()
        assert not t.of(Committed)
        t.session.commit()
        await t.settle()
    assert len(t.of(Committed)) == 1


async def test_detection_that_may_not_answer() -> None:
    settings = SessionSettings(turn_detection=ServerVad(create_response=False))
    async with talk(settings=settings) as t:
        await t.speak()
        await t.pause()
        await t.settle()
        assert t.of(Committed) and not t.of(ResponseStarted)
        t.session.tick(t.now)
        await t.settle()
        given = sum((c for c in t.engine.appends[0]), Context())
        assert given.ids[-1] == t.engine.prompt.eot  # the listener has the whole turn all the same


async def test_refusals_leave_the_session_alive() -> None:
    engine = ScriptedEngine()
    async with talk(engine) as t:
        with pytest.raises(EmptyBuffer):
            t.session.commit()
        with pytest.raises(NoActiveResponse, match="Cancellation failed"):
            t.session.cancel_response()
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause()
        await t.settle()
        with pytest.raises(ResponseActive):
            t.session.create_response(ResponseRequest())
        with pytest.raises(NoActiveResponse):
            t.session.cancel_response("resp_other")
        t.session.cancel_response()
        assert (t.of(ResponseDone)[0].status, t.of(ResponseDone)[0].reason) == (
            "cancelled",
            "client_cancelled",
        )
        engine.gate.set()
        await t.speak()
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[1].status == "completed"


async def test_clearing_throws_the_turn_away() -> None:
    async with talk() as t:
        await t.speak()
        await t.pause(200)  # speech that goes on would begin a new turn
        t.session.clear()
        await t.pause()
        await t.settle()
        assert t.of(Cleared)
        assert not t.of(Committed) and not t.of(ResponseStarted)
        await t.speak()
        await t.pause()
        await t.settle()
        assert t.of(ResponseDone)[0].status == "completed"
    assert sum(i == t.engine.prompt.audio_start for i in t.engine.requests[0].ids) == 1


async def test_typed_turns() -> None:
    async with talk() as t:
        t.session.add_item(Message("mine", "user", text="one plus one"))
        with pytest.raises(DuplicateItem):
            t.session.add_item(Message("mine", "user", text="again"))
        with pytest.raises(UnknownItem):
            t.session.add_item(Message("", "user", text="elsewhere"), "nobody")
        t.session.create_response(ResponseRequest(effort="minimal"))
        await t.settle()
    assert [e.item.id for e in t.of(ItemAdded)] == ["mine"]
    assert "one plus one" in bytes(i for i in t.engine.requests[0].ids if i < 256).decode()


async def test_what_was_said_is_written_down() -> None:
    def reply(context: Context, sampling: Sampling) -> tuple[str, ...]:
        asked = bytes(i for i in context.ids if i < 256).decode()
        return ("one ", "plus one") if "Write down" in asked else REPLY

    async with talk(ScriptedEngine(reply), SessionSettings(transcribe=True)) as t:
        await t.speak()
        await t.pause()
        await t.settle()
    item = t.of(Committed)[0].item_id
    assert t.of(TranscriptDone)[0].text == "one plus one"
    assert {e.item_id for e in t.of(TranscriptDelta)} == {item}
    assert t.of(ResponseDone)[0].status == "completed"


@pytest.mark.fault(
    fault="transcription fails",
    provoked="the engine refuses to transcribe",
    seen="`...transcription.failed`; the reply comes all the same",
    kept="the turn, as audio",
)
async def test_a_transcript_that_fails_costs_no_turn() -> None:
    engine = ScriptedEngine()
    async with talk(engine, SessionSettings(transcribe=True, speculation=False)) as t:
        engine.refusal = Refused("no")
        await t.speak()
        await t.pause()
        await t.settle()
    assert t.of(TranscriptFailed)[0].message == "no"
    assert t.of(ResponseDone)[0].status == "completed"


@pytest.mark.fault(
    fault="engine refuses a request",
    provoked="vLLM refuses the request",
    seen="the response fails with `engine_refused`",
    kept="the conversation; the next turn is answered",
)
async def test_a_refused_request_fails_the_reply_and_not_the_session() -> None:
    engine = ScriptedEngine()
    async with talk(engine, AFTERWARDS) as t:
        engine.refusal = Refused("too long")
        await t.speak()
        await t.pause()
        await t.settle()
        assert (t.of(ResponseDone)[0].status, t.of(ResponseDone)[0].message) == ("failed", "too long")
        await t.speak()
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[1].status == "completed"


@pytest.mark.fault(
    fault="engine forgets the audio",
    provoked="the KV cache has let go what a request relies on (`Forgotten`)",
    seen="the reply, a little later",
    kept="all of it: the engine is told again, with the audio",
)
async def test_a_forgetful_engine_is_told_again() -> None:
    engine = ScriptedEngine()
    async with talk(engine, AFTERWARDS) as t:
        engine.refusal = Forgotten("lost")
        await t.speak(2000)
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"
    assert len(engine.appends) == 2  # a new listener
    assert all(a.data for a in engine.requests[1].audio)


async def test_a_dead_engine_ends_the_session_and_the_reply() -> None:
    engine = ScriptedEngine()
    made = Talk(engine, SessionSettings())
    task = asyncio.create_task(made.session.run())
    await made.settle()
    await made.speak()
    engine.gate = asyncio.Event()
    await made.pause(700)
    assert made.of(ResponseStarted)
    engine.alive = False
    await made.speak(100)
    with pytest.raises(EngineUnavailable):
        await made.speak()
        await made.pause()
    with pytest.raises(EngineUnavailable):
        await task
    assert made.of(ResponseDone)[0].status in ("cancelled", "failed")
    assert engine.running() == 0


async def test_a_client_that_is_away_and_may_come_back_does_not_end_its_turn() -> None:
    async with talk() as t:
        await t.speak()
        t.session.away(True)
        t.session.tick(t.now + 10 * STALL_SECONDS)
        assert not t.of(SpeechStopped)
        t.now += 10 * STALL_SECONDS
        t.session.away(False)
        t.session.tick(t.now + STALL_SECONDS / 2)  # it has a moment to speak again
        assert not t.of(SpeechStopped)
        t.session.tick(t.now + STALL_SECONDS * 2)
        assert t.of(SpeechStopped)
        await t.settle()


@pytest.mark.fault(
    fault="muted microphone",
    provoked="no audio comes any more in the middle of a turn",
    seen="after 2 s the turn ends, and is answered",
    kept="what was said until then",
)
async def test_a_line_that_goes_quiet_ends_the_turn() -> None:
    async with talk() as t:
        await t.speak()
        t.session.tick(t.now)
        assert not t.of(SpeechStopped)
        t.session.tick(t.now + STALL_SECONDS + 0.1)
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"


async def test_new_instructions_reach_the_next_reply() -> None:
    settings = SessionSettings(instructions="You are Ada.")
    async with talk(settings=settings) as t:
        await t.speak()
        await t.pause()
        await t.settle()
        t.session.configure(replace(settings, instructions="You are Bob."))
        await t.speak()
        await t.pause()
        await t.settle()
        t.session.create_response(ResponseRequest(instructions="You are Cy."))
        await t.settle()
    heads = [bytes(i for i in c.ids[:30] if i < 256).decode() for c in t.engine.requests]
    assert ["Ada" in heads[0], "Bob" in heads[1], "Cy" in heads[2]] == [True] * 3
    assert sum(i == t.engine.prompt.audio_start for i in t.engine.requests[2].ids) == 2


@pytest.mark.fault(
    fault="context limit near",
    provoked="many turns in a small context",
    seen="nothing",
    kept="the newest turns; the oldest are folded away, as `truncation` says",
)
async def test_old_turns_make_room_and_the_context_stays_bounded() -> None:
    engine = ScriptedEngine(max_tokens=512)
    async with talk(engine) as t:
        for _ in range(20):
            await t.speak(1500)
            await t.pause()
            await t.settle()
    assert [d.status for d in t.of(ResponseDone)] == ["completed"] * 20
    assert max(len(c) for c in engine.requests) < 512
    assert 1 < len(engine.appends) < 15  # listeners are reopened now and then, not every turn


@pytest.mark.fault(
    fault="turn longer than the context",
    provoked="one turn that fills the context",
    seen="it ends there, and is answered",
    kept="what was said until then",
)
async def test_a_turn_longer_than_the_context_is_ended_not_lost() -> None:
    engine = ScriptedEngine(max_tokens=512)
    async with talk(engine) as t:
        await t.speak(40_000)
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[0].status in ("completed", "cancelled")
    assert max(len(c) for c in engine.requests) < 512


async def test_many_turns_leave_nothing_behind() -> None:
    async with talk() as t:
        for _ in range(60):
            await t.speak(400)
            await t.pause(700)
            await t.settle()
            assert t.engine.running() == 1
    assert [d.status for d in t.of(ResponseDone)] == ["completed"] * 60


@pytest.mark.fault(
    fault="context limit near, truncation disabled",
    provoked="a full context, and `truncation: disabled`",
    seen="`context_length_exceeded`, for each turn, item or response that does not fit",
    kept="what was there; the turn is dropped",
)
@pytest.mark.parametrize("detection", [ServerVad(), None])
async def test_what_does_not_fit_is_refused_where_nothing_may_be_let_go(detection: ServerVad | None) -> None:
    settings = SessionSettings(turn_detection=detection, truncation=Truncation(keep=None), effort="none")
    async with talk(ScriptedEngine(max_tokens=512), settings) as t:
        await t.speak(30_000)
        await t.pause()
        assert [e.code for e in t.of(Trouble)] == ["context_length_exceeded"]
        assert not t.of(Committed) or detection is None
        t.session.clear()
        for _ in range(3):
            t.session.add_item(Message("", "user", text="x" * 80))
        with pytest.raises(TooLong):
            for _ in range(9):
                t.session.create_response(ResponseRequest())
                await t.settle()
        if detection is None:
            with pytest.raises(TooLong):
                await t.speak()
        else:
            await t.speak()
            await t.pause()
            assert len(t.of(Trouble)) == 2
            assert len(t.of(SpeechStarted)) == len(t.of(SpeechStopped))
        assert all(e.status == "completed" for e in t.of(ResponseDone))


async def test_the_quiet_after_a_reply_is_answered_once() -> None:
    settings = SessionSettings(turn_detection=ServerVad(idle_timeout_ms=5000))
    async with talk(settings=settings) as t:
        await t.speak()
        await t.pause(3000)
        await t.settle()
        t.session.tick(t.now)
        assert len(t.of(ResponseDone)) == 1 and not t.of(IdleTimeout)
        t.session.tick(t.now + 6)
        await t.settle()
        (idle,) = t.of(IdleTimeout)
        assert 1000 < idle.start_ms < idle.end_ms < 4000
        assert [e.item_id for e in t.of(Committed)][1] == idle.item_id
        assert len(t.of(ResponseDone)) == 2


async def test_a_reply_outside_is_not_interrupted() -> None:
    async with talk() as t:
        t.engine.gate = asyncio.Event()
        t.session.create_response(ResponseRequest(outside=True))
        await t.settle()
        (aside,) = t.of(ResponseStarted)
        for _ in range(3):
            t.session.create_response(ResponseRequest(outside=True))
        with pytest.raises(ResponseActive):
            t.session.create_response(ResponseRequest(outside=True))
        with pytest.raises(NoActiveResponse):
            t.session.cancel_response()
        await t.speak()
        await t.pause()
        t.session.cancel_response(aside.response_id)
        assert [e.status for e in t.of(ResponseDone)] == ["cancelled"]
        t.engine.gate.set()
        await t.settle()
        await t.settle()
        assert [e.status for e in t.of(ResponseDone)][1:] == ["completed"] * 4
    assert len(t.of(ItemAdded)) == 1
