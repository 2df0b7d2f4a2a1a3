"""Conversations with tools, budgets and another encoding, over a scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from model.tools import Tool
from streaming.context import Context
from streaming.engine import Sampling
from streaming.errors import BadChoice, TooLong, UnknownCall
from streaming.events import (
    CallMade,
    FunctionCall,
    FunctionOutput,
    ItemAdded,
    Message,
    Named,
    ReplyDelta,
    ResponseDone,
    ResponseRequest,
    SessionSettings,
    ThinkingDelta,
)
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of

WEATHER = Tool("weather", "Looks out of the window.", {"type": "object"})
SETTINGS = SessionSettings(tools=(WEATHER,))
CALL = '<tool_call>function\nweather\n{"city": "Oslo"}</tool_call>'
Script = Callable[[Context, Sampling], tuple[str, ...]]


def scripted(*calls: str, first: str = "") -> ScriptedEngine:
    """Thinks, says `first` and calls; once it has been answered, says so."""

    def reply(context: Context, sampling: Sampling) -> tuple[str, ...]:
        asked = text_of(context)
        if "function_output" in asked:
            return ("done\n</think>\n", "It rains.")
        return ("look\n", "</think>\n", *([first] if first else []), *calls)

    return ScriptedEngine(reply, max_tokens=4096)


async def ask(t: Talk) -> None:
    t.session.add_item(Message("", "user", text="how is the weather in oslo"))
    t.session.create_response(ResponseRequest())
    await t.settle()


async def test_a_call_its_result_and_the_reply_to_it() -> None:
    engine = scripted(CALL[:20], CALL[20:], first="One moment. ")
    async with talk(engine, SETTINGS) as t:
        await t.speak()
        await t.pause()
        await t.settle()
        (made,) = t.of(CallMade)
        assert (made.call.name, made.call.arguments) == ("weather", '{"city": "Oslo"}')
        assert made.previous_item_id == t.of(ReplyDelta)[0].item_id
        assert t.of(ResponseDone)[0].status == "completed"
        assert "".join(e.delta for e in t.of(ReplyDelta)) == "One moment. "
        t.session.add_item(FunctionOutput("", made.call.call_id, "", "rain"))
        assert t.of(ItemAdded)[-1].previous_item_id == made.call.id
        t.session.create_response(ResponseRequest())
        await t.settle()
    assert t.of(ResponseDone)[1].text == "It rains."
    asked = text_of(engine.requests[1])
    assert asked.startswith('tool_json_schemas\n[{"type": "function", "function": {"name": "weather"')
    assert asked.endswith(
        "human\n"
        + "assistant\nOne moment. "
        + CALL
        + "function_output\nweather\nrain"
        + "assistant\n<think>\n"
    )
    given = sum((c for c in engine.appends[0]), Context())
    shared = len(engine.requests[1]) - len(engine.prompt.assistant_open(True))
    assert given.ids[:shared] == engine.requests[1].ids[:shared]  # all of it was in the listener
    assert len(engine.appends) == 1


async def test_parallel_calls_and_results_that_come_early() -> None:
    other = CALL.replace("Oslo", "Bergen")
    engine = scripted(CALL, "\n", other)
    async with talk(engine, SETTINGS) as t:
        engine.gate = asyncio.Event()
        await ask(t)
        assert not t.of(CallMade)
        engine.gate.set()
        for _ in range(100):
            if not t.of(CallMade):
                await asyncio.sleep(0)
        engine.gate = asyncio.Event()
        first = t.of(CallMade)[0].call
        t.session.add_item(FunctionOutput("", first.call_id, "", "rain"))
        engine.gate.set()
        await t.settle()
        second = t.of(CallMade)[1].call
        t.session.add_item(FunctionOutput("", second.call_id, "", "snow"))
        t.session.create_response(ResponseRequest())
        await t.settle()
    assert text_of(engine.requests[1]).endswith(
        f"assistant\n{CALL}{other}function_output\nweather\nrainfunction_output\nweather\nsnow"
        "assistant\n<think>\n"
    )


@pytest.mark.fault(
    fault="model calls a tool that is not there",
    provoked="the model writes a call that is none, or of a tool not offered",
    seen="the response fails with `invalid_function_call`",
    kept="what was said before the call",
)
@pytest.mark.parametrize(
    ("call", "why"),
    [
        (CALL.replace("weather", "time"), "'time', which was not offered"),
        (CALL.replace('"}', ""), "no JSON"),
        ("<tool_call>weather", "no head"),
    ],
)
async def test_a_bad_call_fails_the_reply_and_not_the_session(call: str, why: str) -> None:
    engine = scripted(call, "never told", first="Hm. ")
    async with talk(engine, SETTINGS) as t:
        await ask(t)
        done = t.of(ResponseDone)[0]
        assert (done.status, done.reason) == ("failed", "invalid_function_call")
        assert why in (done.message or "")
        assert not t.of(CallMade)
        await ask(t)
    assert "assistant\nHm. human" in text_of(engine.requests[1])


async def test_a_call_interrupted_leaves_nothing() -> None:
    engine = scripted(CALL[:30], CALL[30:])
    async with talk(engine, SETTINGS) as t:
        engine.gate = asyncio.Event()
        t.session.add_item(Message("", "user", text="how is the weather in oslo"))
        t.session.create_response(ResponseRequest())
        await t.settle()
        await t.speak(500)
        assert t.of(ResponseDone)[0].status == "cancelled"
        engine.gate.set()
        await t.speak()
        await t.pause()
        await t.settle()
    assert "tool_call" not in text_of(engine.requests[1])
    assert "assistant" not in text_of(engine.requests[1])[:-20]


async def test_what_must_be_called_is_called() -> None:
    def reply(context: Context, sampling: Sampling) -> tuple[str, ...]:
        asked = text_of(context)
        return ('{"city": "Oslo"}</tool_call>',) if asked.endswith("weather\n") else ("a", "</think>\nwords")

    engine = ScriptedEngine(reply, max_tokens=4096)
    async with talk(engine, SETTINGS) as t:
        t.session.create_response(ResponseRequest(tool_choice=Named("weather")))
        await t.settle()
        assert t.of(CallMade)[0].call.arguments == '{"city": "Oslo"}'
        assert not t.of(ReplyDelta)
        with pytest.raises(BadChoice):
            t.session.create_response(ResponseRequest(tool_choice=Named("time")))
        with pytest.raises(BadChoice):
            t.session.configure(SessionSettings(tool_choice="required"))
        t.session.create_response(ResponseRequest(tool_choice="none"))
        await t.settle()
    assert t.of(ResponseDone)[1].text == "words"
    assert "tool_json_schemas" not in text_of(engine.requests[-1])
    assert len(engine.appends) == 1


async def test_items_of_another_conversation() -> None:
    async with talk(scripted(CALL), SETTINGS) as t:
        with pytest.raises(UnknownCall):
            t.session.add_item(FunctionOutput("", "call_x", "", "rain"))
        t.session.add_item(FunctionCall("", "call_x", "weather", "{}"))
        t.session.add_item(FunctionOutput("", "call_x", "", "rain"))
        t.session.create_response(ResponseRequest())
        await t.settle()
    assert [type(e.item) for e in t.of(ItemAdded)] == [FunctionCall, FunctionOutput]
    assert t.of(ResponseDone)[0].text == "It rains."


async def test_new_tools_and_another_effort_are_read_anew() -> None:
    async with talk(scripted(first="words"), SessionSettings(effort="high")) as t:
        await ask(t)
        t.session.configure(replace(SETTINGS, effort="low"))
        await ask(t)
        t.session.configure(replace(SETTINGS, effort="low", transcribe=True))  # nothing to read anew
        t.session.create_response(ResponseRequest(effort="high"))
        await t.settle()
    heads = [text_of(request)[:60] for request in t.engine.requests]
    assert heads[0].startswith("system\nThink for long.human")
    assert heads[1].startswith("system\nThink briefly.tool_json_schemas\n")
    assert heads[2] == heads[1]  # how much to think is the session's
    assert len(t.engine.appends) == 2


async def test_instructions_that_change_while_the_user_speaks_reach_the_reply() -> None:
    async with talk() as t:
        await t.speak()
        t.session.configure(SessionSettings("You are Bob."))
        await t.pause()
        await t.settle()
    assert text_of(t.engine.requests[0]).startswith("system\nYou are Bob.human")
    assert t.engine.requests[0].audio_tokens > 0
    assert len(t.engine.appends) == 2


async def test_what_is_too_long_is_refused() -> None:
    async with talk(ScriptedEngine(max_tokens=1024), SessionSettings()) as t:
        with pytest.raises(TooLong, match="instructions and tools take"):
            t.session.configure(SessionSettings("x" * 600))
        with pytest.raises(TooLong):
            t.session.create_response(ResponseRequest(instructions="x" * 600))
        with pytest.raises(TooLong, match="the item takes"):
            t.session.add_item(Message("long", "user", text="x" * 600))
        for _ in range(20):
            t.session.add_item(Message("", "user", text="x" * 300))
        t.session.create_response(ResponseRequest())
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"
    assert len(t.engine.requests[0]) < 1024 - 256


async def test_a_budget_of_thoughts() -> None:
    def reply(context: Context, sampling: Sampling) -> tuple[str, ...]:
        return ("on ", "and ", "on ", "and ") if text_of(context).endswith("<think>\n") else ("Yes.",)

    async with talk(ScriptedEngine(reply), SessionSettings(max_reasoning_tokens=3)) as t:
        await ask(t)
        t.session.create_response(ResponseRequest(max_reasoning_tokens=1))
        await t.settle()
    first, second = t.of(ResponseDone)
    assert (first.thinking, first.text, first.status) == ("on and on ", "Yes.", "completed")
    assert (second.thinking, second.text) == ("on ", "Yes.")
    assert "".join(e.delta for e in t.of(ThinkingDelta)) == "on and on on "


async def test_a_refined_turn_is_encoded_anew_behind_what_is_cached() -> None:
    settings = SessionSettings(encoding="refined", transcribe=True, speculation=False)
    async with talk(settings=settings) as t:
        for _ in range(2):
            await t.speak(2000)
            await t.pause()
            await t.settle()
        t.session.add_item(Message("", "user", text="and"))
        t.session.create_response(ResponseRequest())
        await t.settle()
    given = sum((c for c in t.engine.appends[0]), Context())
    incremental = [a.key for a in given.audio]
    replies = [r for r in t.engine.requests if "Write down" not in text_of(r)]
    keys = [[a.key for a in request.audio] for request in replies]
    assert [len(k) for k in keys] == [1, len(incremental) // 2 + 1, len(incremental) // 2 + 1]
    assert all(k[-1].endswith(":whole:0:0/" + k[-1].rpartition("/")[2]) for k in keys)
    assert keys[1][:-1] == incremental[: len(incremental) // 2]  # the older turn, as the listener has it
    assert keys[2] == keys[1]
    assert replies[1].ids[: len(replies[1]) - 20] == given.ids[: len(replies[1]) - 20]  # as many tokens
    assert len(t.engine.appends) == 1
    transcripts = [r for r in t.engine.requests if "Write down" in text_of(r)]
    assert [[a.key for a in r.audio] for r in transcripts] == keys[:2]


@pytest.mark.fault(
    fault="tool whose result never comes",
    provoked="a call is answered by nobody, and the user speaks on",
    seen="the next turn is answered; nothing waits for the tool",
    kept="the call, so that a result may still come",
)
@pytest.mark.fault(
    fault="tool whose result comes late",
    provoked="the result comes a turn later, while the user speaks",
    seen="the turn that is being spoken is answered, with the result known",
    kept="the call and its result, in the order in which they came",
)
async def test_a_tool_that_stalls_holds_nobody_up() -> None:
    engine = scripted(CALL)
    async with talk(engine, SETTINGS) as t:
        await ask(t)
        (made,) = t.of(CallMade)
        await t.speak()
        await t.pause()
        await t.settle()
        assert [e.status for e in t.of(ResponseDone)] == ["completed"] * 2
        assert "weather" in text_of(engine.requests[-1]) and "rain" not in text_of(engine.requests[-1])
        await t.speak()
        t.session.add_item(FunctionOutput("", made.call.call_id, "", "rain"))
        await t.speak()
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[2].text == "It rains."
