"""A fork's output, told apart and counted; and gone when nobody listens any more."""

from contextlib import aclosing

from model.reasoning import Reply, Thinking
from streaming.context import Context
from streaming.speaker import Told, speak
from tests.scripted import ScriptedEngine, prompt

QUESTION = Context.of(prompt().human_text("one plus one"))


async def told(engine: ScriptedEngine, *, thinking: bool = True, max_tokens: int = 100) -> list[Told]:
    return [t async for t in speak(engine, QUESTION, thinking, max_tokens)]


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
    async with aclosing(speak(engine, QUESTION, True, 100)) as steps:
        await anext(steps)
        assert engine.running() == 1
    assert engine.running() == 0
