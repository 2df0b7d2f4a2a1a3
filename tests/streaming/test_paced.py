"""Mind-paced speaking in a whole session: two requests, one reply, one owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from model.tools import Tool
from streaming.context import Context
from streaming.engine import Sampling
from streaming.errors import Forgotten, Refused, SessionError
from streaming.events import (
    CallMade,
    Event,
    FunctionOutput,
    Message,
    Named,
    Pacing,
    ReplyDelta,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    SessionSettings,
    SpeechDelta,
    ThinkingDelta,
    ThinkingDone,
)
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of
from tests.streaming.test_session_engine import Turnstile
from tests.voices import ScriptedVoice

CHAIN = "heard: two and three so 2+3=5 and five it is"
SAID = "two plus three is 5."
FIRST = Pacing(think_segment=3, reply_segment=4)
PACED = SessionSettings(speculation=False, pacing=FIRST)
SPEAK_FIRST = replace(PACED, pacing=replace(FIRST, speak_first=True))
HEAD = "assistant\n<think>\n"


def pieces(text: str) -> list[str]:
    """A token a word, with the space before it."""
    return text.replace(" ", "| ").split("|")


def asked(context: Context) -> tuple[str, bool, str]:
    """Of a request: the thoughts that it has, whether they are over, and what was said."""
    told = text_of(context).rpartition(HEAD)[2]
    chain, over, said = told.partition("\n</think>\n")
    return chain, bool(over), said


class Mind:
    """An engine that thinks one chain, replies one reply to it, and another to less than all of it."""

    def __init__(
        self, chain: str = CHAIN, reply: str = SAID, rash: Callable[[str], str] = lambda chain: SAID
    ) -> None:
        self.chain, self.reply, self.rash = chain, reply, rash
        self.engine = ScriptedEngine(self._reply)

    def _reply(self, context: Context, sampling: Sampling) -> Sequence[str]:
        chain, over, said = asked(context)
        if not over:
            return [
                *pieces(self.chain)[len(pieces(chain)) if chain else 0 :],
                "\n</think>\n",
                *pieces(self.reply),
            ]
        whole = self.reply if chain == self.chain else self.rash(chain)
        said = said.rpartition("wait: ")[2]
        left = whole[len(said) :] if whole.startswith(said) else whole
        return [*pieces(left)[: sampling.max_tokens], ""]

    @property
    def articulations(self) -> list[tuple[str, str]]:
        """The thoughts of each, and what had been said."""
        found = [asked(context) for context in self.engine.requests]
        return [(chain, said) for chain, over, said in found if over]


async def question(t: Talk) -> None:
    await t.speak()
    await t.pause()
    await t.settle()


async def let(t: Talk, gate: Turnstile, steps: int) -> None:
    for _ in range(steps):
        gate.let_one()
        await t.settle()


def said(t: Talk) -> str:
    return "".join(event.delta for event in t.of(ReplyDelta))


def thought(t: Talk) -> str:
    return "".join(event.delta for event in t.of(ThinkingDelta))


def before_the_end(t: Talk) -> str:
    """What was said while it was still thinking."""
    last = max(i for i, event in enumerate(t.events) if isinstance(event, ThinkingDelta))
    return "".join(event.delta for event in t.events[:last] if isinstance(event, ReplyDelta))


async def test_it_speaks_while_it_thinks_and_the_reply_is_that_to_all_thoughts() -> None:
    mind = Mind()
    async with talk(mind.engine, PACED) as t:
        await question(t)
    assert (thought(t), said(t)) == (CHAIN, SAID)
    assert before_the_end(t)
    assert mind.articulations[0] == ("heard: two", "")
    order: list[type[Event]] = [ThinkingDelta, ReplyStarted, ReplyDelta, ThinkingDone, ResponseDone]
    firsts = [next(i for i, e in enumerate(t.events) if isinstance(e, kind)) for kind in order]
    assert firsts == sorted(firsts)
    assert len(t.of(ThinkingDone)) == len(t.of(ResponseStarted)) == 1
    assert t.of(ThinkingDone)[0].text == CHAIN
    done = t.of(ResponseDone)[0]
    assert (done.status, done.text, done.thinking) == ("completed", SAID, CHAIN)


async def test_speak_first_has_spoken_before_the_first_thought() -> None:
    mind = Mind()
    async with talk(mind.engine, SPEAK_FIRST) as t:
        await question(t)
    assert mind.articulations[0] == ("", "")
    assert said(t) == SAID


async def test_each_segment_has_the_thoughts_so_far_and_goes_on_behind_what_was_said() -> None:
    mind = Mind()
    mind.engine.sure = lambda text: 0.5 if "5" in text else 1.0
    async with talk(mind.engine, PACED) as t:
        await question(t)
    chains, words = zip(*mind.articulations, strict=True)
    assert len(chains) > 1
    assert all(CHAIN.startswith(chain) and SAID.startswith(part) for chain, part in mind.articulations)
    assert sorted(chains, key=len) == list(chains) and sorted(words, key=len) == list(words)
    assert "5" not in before_the_end(t) and said(t) == SAID


async def test_what_was_said_rashly_is_corrected_in_words() -> None:
    mind = Mind(rash=lambda chain: "two plus three is 6.")
    async with talk(mind.engine, SPEAK_FIRST) as t:
        await question(t)
        assert t.of(ResponseDone)[0].text == said(t)
        item = t.session._memory.conversation.find(t.of(ReplyStarted)[0].item_id)[1]
        assert isinstance(item, Message) and item.text == said(t)
    assert said(t) == "two plus three is 6. No, wait: two plus three is 5."


async def test_what_was_thought_is_not_in_the_history() -> None:
    mind = Mind()
    async with talk(mind.engine, PACED) as t:
        await question(t)
        await question(t)
    history = text_of(mind.engine.requests[-1]).rpartition("assistant")[0]
    assert SAID in history and "heard" not in history


@pytest.mark.parametrize("gone", ["barge-in", "cancel"])
async def test_whoever_ends_it_ends_both(gone: str) -> None:
    mind = Mind()
    mind.engine.gate = asyncio.Event()
    async with talk(mind.engine, SPEAK_FIRST) as t:
        await question(t)
        assert mind.engine.running() == 3  # the listener, and both forks
        if gone == "cancel":
            t.session.cancel_response()
        else:
            await t.speak()
        await t.settle()
        assert mind.engine.running() == 1
        assert t.of(ResponseDone)[0].status == "cancelled"


async def test_thought_ahead_and_forgotten_ends_both() -> None:
    mind = Mind()
    mind.engine.gate = asyncio.Event()
    async with talk(mind.engine, replace(SPEAK_FIRST, speculation=True)) as t:
        await t.speak(500)
        await t.pause(300)
        await t.settle()
        assert mind.engine.running() == 3 and not t.of(ResponseStarted)
        await t.speak(500)
        await t.settle()
        assert mind.engine.running() == 1
        mind.engine.gate.set()
        await t.pause()
        await t.settle()
    assert said(t) == SAID and t.promoted == [False, True]


async def test_a_call_is_made_once_from_all_thoughts() -> None:
    call = "Let me look.<tool_call>function\nlook\n{}</tool_call>"
    mind = Mind(reply=call, rash=lambda chain: call.replace("{}", '{"rash": 1}'))
    tools = replace(SPEAK_FIRST, tools=(Tool("look", None, None),))
    async with talk(mind.engine, tools) as t:
        await question(t)
        assert [event.call.arguments for event in t.of(CallMade)] == ["{}"]
        assert said(t) == "Let me look."
        mind.reply, mind.rash = SAID, lambda chain: SAID
        t.session.add_item(FunctionOutput("", t.of(CallMade)[0].call.call_id, "", "5"))
        t.session.create_response(ResponseRequest())
        await t.settle()
    assert [done.status for done in t.of(ResponseDone)] == ["completed"] * 2
    assert t.of(ResponseDone)[1].text == SAID


async def test_a_call_that_must_come_is_thought_about_to_the_end() -> None:
    mind = Mind()
    forced = replace(SPEAK_FIRST, tools=(Tool("look", None, None),), tool_choice=Named("look"))
    async with talk(mind.engine, forced) as t:
        await question(t)
    assert all(chain == CHAIN for chain, said in mind.articulations)


async def test_without_thinking_there_is_nothing_to_pace() -> None:
    mind = Mind(rash=lambda chain: SAID)
    async with talk(mind.engine, replace(PACED, effort="minimal")) as t:
        await question(t)
    assert len(mind.engine.requests) == 1 and said(t) == SAID


async def test_the_budget_of_thoughts_closes_them() -> None:
    mind = Mind()
    async with talk(mind.engine, replace(PACED, max_reasoning_tokens=5)) as t:
        await question(t)
    assert thought(t) == "heard: two and three so" and said(t) == SAID
    assert t.of(ResponseDone)[0].usage.reasoning == 5


@pytest.mark.parametrize("most", range(1, 25))
async def test_all_tokens_that_were_made_count(most: int) -> None:
    mind = Mind()
    async with talk(mind.engine, replace(SPEAK_FIRST, max_output_tokens=most)) as t:
        await question(t)
    done = t.of(ResponseDone)[0]
    assert done.usage.reasoning + done.usage.reply <= most + 1  # both forks made the last one at once
    assert SAID.startswith(done.text)
    assert done.status == "incomplete" or done.text == SAID


@pytest.mark.parametrize("steps", range(0, 14))
async def test_an_engine_that_dies_is_outlived(steps: int) -> None:
    """At any moment: the same reply, no word twice."""
    mind = Mind()
    async with talk(mind.engine, SPEAK_FIRST) as t:
        await t.speak()
        await t.pause()
        for _ in range(steps):
            await asyncio.sleep(0)
        mind.engine.kill()
        await t.settle()
        mind.engine.revive()
        await t.settle()
        assert mind.engine.running() == 1
    assert (thought(t), said(t)) == (CHAIN, SAID)
    assert t.of(ResponseDone)[0].status == "completed"


@pytest.mark.parametrize("settings", [PACED, SPEAK_FIRST])
@pytest.mark.parametrize("steps", range(0, 30, 2))
async def test_another_server_goes_on_with_both(settings: SessionSettings, steps: int) -> None:
    """At any moment: the same thoughts, the same reply, no word twice."""
    first, second, gate = Mind(), Mind(), Turnstile()
    first.engine.gate = gate
    async with talk(first.engine, settings) as t:
        await question(t)
        await let(t, gate, steps)
        snapshot = t.session.snapshot()
        chain, reply, begun = thought(t), said(t), list(t.events)
    async with talk(second.engine, settings) as t:
        t.session.restore(snapshot)
        await t.settle()
        assert (chain + thought(t), reply + said(t)) == (CHAIN, SAID)
        events = begun + t.events
        [ended] = [event for event in events if isinstance(event, ThinkingDone)]
        [done] = [event for event in events if isinstance(event, ResponseDone)]
        assert (ended.text, done.text, done.status) == (CHAIN, SAID, "completed")
        if reply and len(chain) < len(CHAIN):  # it thinks on before it says the rest
            assert asked(second.engine.requests[0])[:2] == (chain, False)


@pytest.mark.parametrize("steps", range(2, 30))
async def test_what_one_server_has_said_rashly_another_corrects_in_words(steps: int) -> None:
    first, second = (Mind(rash=lambda chain: "two plus three is 6.") for _ in range(2))
    gate = Turnstile()
    first.engine.gate = gate
    async with talk(first.engine, SPEAK_FIRST) as t:
        await question(t)
        await let(t, gate, steps)
        snapshot = t.session.snapshot()
        chain, reply = thought(t), said(t)
    async with talk(second.engine, SPEAK_FIRST) as t:
        t.session.restore(snapshot)
        await t.settle()
        assert chain + thought(t) == CHAIN
        rash = "6" in reply + said(t)
        right = "two plus three is 6. No, wait: two plus three is 5." if rash else SAID
        assert reply + said(t) == right and (steps < 12 or rash)
        [turn] = [turn for turn in t.session.snapshot().turns if turn.samples is None]
        assert isinstance(turn.items[0], Message) and turn.items[0].text == right


@pytest.mark.parametrize("error", [Refused("too long"), Forgotten("lost")])
async def test_an_articulation_that_is_refused_harms_nothing(error: SessionError) -> None:
    mind = Mind()

    def refuse(chain: str) -> str:
        raise error

    mind.rash = refuse
    async with talk(mind.engine, SPEAK_FIRST) as t:
        await question(t)
    assert (thought(t), said(t)) == (CHAIN, SAID)
    assert t.of(ResponseDone)[0].status == "completed"


async def test_a_reply_that_fails_fails_whole() -> None:
    mind = Mind()
    async with talk(mind.engine, SPEAK_FIRST) as t:
        await t.speak()
        mind.engine.refusal = Refused("no")
        await t.pause()
        await t.settle()
        assert mind.engine.running() == 1
    assert t.of(ResponseDone)[0].reason == Refused.code


async def test_a_sound_holds_both_back() -> None:
    mind = Mind()
    mind.engine.gate = asyncio.Event()
    async with talk(mind.engine, SPEAK_FIRST) as t:
        await question(t)
        told = len(said(t)), len(thought(t))
        await t.send(100, 0.5)
        mind.engine.gate.set()
        await t.settle()
        assert (len(said(t)), len(thought(t))) == told
        await t.pause(600)
        await t.settle()
    assert (thought(t), said(t)) == (CHAIN, SAID)


async def test_what_was_said_beforehand_is_spoken_before_the_thoughts_have_ended() -> None:
    """Though its sentence has not."""
    mind, voice = Mind(), ScriptedVoice()
    mind.engine.sure = lambda text: 0.5 if "5" in text else 1.0
    mind.engine.gate = gate = Turnstile()
    settings = SessionSettings(speculation=False, pacing=Pacing(speak_first=True), spoken=True)
    async with talk(mind.engine, settings, voice) as t:
        await question(t)
        while not t.of(SpeechDelta):
            gate.let_one()
            await t.settle()
        assert not t.of(ThinkingDone)
        assert voice.said[0][0] == "two plus three is"
        mind.engine.gate = None
        for _ in range(50):
            gate.let_one()
        await t.settle()
        await t.pause(4000)
        await t.settle()
    done = t.of(ResponseDone)[0]
    assert (done.status, done.text) == ("completed", SAID)
    assert "".join(event.delta for event in t.of(SpeechDelta)) == SAID
    assert len(voice.said) == 2 and voice.said[1][0].startswith("five")


async def test_a_spoken_one_that_is_cut_off_counts_as_far_as_it_was_heard() -> None:
    mind, voice = Mind(), ScriptedVoice()
    mind.engine.gate = asyncio.Event()
    async with talk(mind.engine, replace(SPEAK_FIRST, spoken=True), voice) as t:
        await question(t)
        mind.engine.gate.set()
        await t.settle()
        await t.pause(300)
        await t.speak(1000)
        await t.settle()
        assert mind.engine.running() == 1
        assert voice.listening == 0
        item = t.session._memory.conversation.find(t.of(ReplyStarted)[0].item_id)[1]
    assert isinstance(item, Message) and item.text and SAID.startswith(item.text)
    assert len(item.text) < len(SAID)
