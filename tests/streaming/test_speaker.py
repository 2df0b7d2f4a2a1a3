"""A fork's output, told apart and counted; and gone when nobody listens any more."""

import asyncio
from contextlib import aclosing

import pytest

from model.reasoning import Call, Reply, Thinking
from streaming.context import Context
from streaming.engine import Sampling
from streaming.speaker import Lost, Manner, Told, speak, transcribe
from tests.scripted import ScriptedEngine, prompt

QUESTION = Context.of(prompt().human_text("one plus one"))


async def told(engine: ScriptedEngine, *, thinking: bool = True, max_tokens: int = 100) -> list[Told]:
    return [t async for t in speak(engine, QUESTION, Manner(thinking, max_tokens))]


def joined(steps: list[Told], kind: type[Thinking] | type[Reply]) -> str:
    return "".join(p.text for t in steps for p in t.parts if isinstance(p, kind))


async def test_thinking_and_reply_are_told_apart_and_counted() -> None:
    steps = await told(ScriptedEngine())
    assert joined(steps, Thinking) == "heard: one plus one\n1+1=2"
    assert joined(steps, Reply) == "1 plus 1 is 2."
    assert (steps[-1].reasoning_tokens, steps[-1].reply_tokens, steps[-1].finish) == (3, 2, "stop")


async def test_the_context_is_the_listeners_and_the_head_of_the_reply() -> None:
    engine = ScriptedEngine()
    await told(engine)
    await told(engine, thinking=False)
    heads = [bytes(i for i in c.ids[len(QUESTION) :] if i < 256).decode() for c in engine.requests]
    assert heads == ["assistant\n<think>\n", "assistant\n<think>\n\n</think>\n"]
    assert all(c.ids[: len(QUESTION)] == QUESTION.ids for c in engine.requests)


async def test_without_thinking_all_of_it_is_reply() -> None:
    steps = await told(ScriptedEngine(lambda context, sampling: ("Hello", " there.")), thinking=False)
    assert joined(steps, Reply) == "Hello there."
    assert steps[-1].reasoning_tokens == 0


async def test_an_output_cut_short_says_so() -> None:
    steps = await told(ScriptedEngine(), max_tokens=2)
    assert steps[-1].finish == "length"


async def test_who_drops_it_drops_the_request() -> None:
    engine = ScriptedEngine()
    async with aclosing(speak(engine, QUESTION, Manner(True, 100))) as steps:
        await anext(steps)
        assert engine.running() == 1
    assert engine.running() == 0


def text_of(context: Context) -> str:
    return bytes(i for i in context.ids if i < 256).decode()


def calling(context: Context, sampling: Sampling) -> tuple[str, ...]:
    """Goes on from wherever it is let."""
    if text_of(context).endswith("<think>\n"):
        return ("one\n", "two\n", "three\n", "</think>\n", "words")
    if text_of(context).endswith("function\n"):
        return ("f\n", '{"a": 1}', "</tool_call>")
    if text_of(context).endswith("f\n"):
        return ('{"a": 2}', "</tool_call>")
    return ("words",)


async def spoken(engine: ScriptedEngine, manner: Manner) -> list[Told]:
    return [t async for t in speak(engine, QUESTION, manner)]


async def test_a_chain_that_has_had_its_budget_is_closed_and_the_reply_comes() -> None:
    engine = ScriptedEngine(calling)
    steps = await spoken(engine, Manner(True, 100, max_reasoning=2))
    assert joined(steps, Thinking) == "one\ntwo"
    assert joined(steps, Reply) == "words"
    assert (steps[-1].reasoning_tokens, steps[-1].reply_tokens, steps[-1].finish) == (2, 1, "stop")
    assert text_of(engine.requests[1]).endswith("assistant\n<think>\none\ntwo\n</think>\n")
    assert engine.running() == 0


async def test_a_budget_that_is_not_used_up_changes_nothing() -> None:
    engine = ScriptedEngine(calling)
    steps = await spoken(engine, Manner(True, 100, max_reasoning=5))
    assert joined(steps, Thinking) == "one\ntwo\nthree"
    assert len(engine.requests) == 1


async def test_a_chain_that_ends_without_being_closed_is_closed() -> None:
    engine = ScriptedEngine(lambda c, s: ("a", "b") if text_of(c).endswith("<think>\n") else ("words",))
    steps = await spoken(engine, Manner(True, 100))
    assert joined(steps, Thinking) == "ab"
    assert joined(steps, Reply) == "words"
    assert [step.finish for step in steps] == [None, None, "stop"]


async def test_all_tokens_gone_is_the_end() -> None:
    engine = ScriptedEngine(calling)
    steps = await spoken(engine, Manner(True, 3, max_reasoning=5))
    assert steps[-1].finish == "length"
    assert len(engine.requests) == 1


@pytest.mark.parametrize(("begun", "body"), [("", '{"a": 1}'), ("f\n", '{"a": 2}')])
@pytest.mark.parametrize("thinking", [True, False])
async def test_a_call_that_must_come_is_begun_behind_the_thoughts(
    begun: str, body: str, thinking: bool
) -> None:
    engine = ScriptedEngine(calling)
    steps = await spoken(engine, Manner(thinking, 100, None, "<tool_call>function\n" + begun))
    assert joined(steps, Thinking) == ("one\ntwo\nthree" if thinking else "")
    assert joined(steps, Reply) == ""
    calls = [part.text for step in steps for part in step.parts if isinstance(part, Call)]
    assert calls == [f"function\nf\n{body}"]
    chain = "one\ntwo\nthree" if thinking else ""
    assert text_of(engine.requests[-1]).endswith(f"<think>\n{chain}\n</think>\n<tool_call>function\n{begun}")
    assert len(engine.requests) == 1 + thinking


async def test_a_call_cut_short_is_none() -> None:
    engine = ScriptedEngine(lambda context, sampling: ("Wait. ", "<tool_call>function\nf\n", "{"))
    steps = await spoken(engine, Manner(False, 2))
    assert steps[-1].finish == "length"
    assert not any(isinstance(part, Call) for step in steps for part in step.parts)


async def test_what_was_said_is_asked_for_behind_the_audio() -> None:
    engine = ScriptedEngine(lambda context, sampling: (" ", " one ", "two"))
    assert [delta async for delta in transcribe(engine, QUESTION, 100)] == ["one ", "two"]
    assert "plus oneWrite down what was said.assistant" in text_of(engine.requests[0])


async def resumed(engine: ScriptedEngine, manner: Manner, steps: int) -> tuple[list[Told], list[Told]]:
    """Before and behind the death of the engine after so many steps."""
    engine.gate = asyncio.Event()
    before: list[Told] = []

    async def again(lost: Lost) -> Context:
        engine.gate = None
        engine.revive()
        return QUESTION

    behind: list[Told] = []
    async with aclosing(speak(engine, QUESTION, manner, again)) as told:
        async for step in told:
            if engine.generation == 1:
                before.append(step)
                if len(before) < steps:
                    engine.gate.set()
                else:
                    engine.gate = asyncio.Event()
                    engine.kill()
            else:
                behind.append(step)
    return before, behind


async def test_another_engine_goes_on_behind_the_chain_and_the_budget_counts_on() -> None:
    engine = ScriptedEngine(calling)
    before, behind = await resumed(engine, Manner(True, 100, max_reasoning=3), 2)
    assert text_of(engine.requests[1]).endswith("<think>\none\ntwo")
    assert before[-1].reasoning_tokens == 2 and max(t.reasoning_tokens for t in behind) == 3
    assert joined(behind, Reply) == "words"


async def test_another_engine_goes_on_with_a_call_that_must_come() -> None:
    engine = ScriptedEngine(calling)
    manner = Manner(True, 100, max_reasoning=1, begun="<tool_call>function\nf\n")
    before, behind = await resumed(engine, manner, 1)
    calls = [part for told in behind for part in told.parts if isinstance(part, Call)]
    assert calls == [Call('function\nf\n{"a": 2}')]
